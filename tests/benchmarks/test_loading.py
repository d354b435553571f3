from __future__ import annotations

import shutil

import numpy as np
import pytest

from pnag_jax import benchmarks
from pnag_jax.benchmarks import MissingTableError, load, names
from pnag_jax.errors import DataError, UsageError


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    monkeypatch.delenv("PNAG_BENCHMARK_DIR", raising=False)


@pytest.fixture
def folder(tmp_path, arrays):
    """A folder of one table."""
    np.savez(tmp_path / "nb201.npz", **arrays)
    return tmp_path


def test_a_file_comes_before_a_package(folder, monkeypatch):
    table = load("nb201", folder)
    assert (table.name, len(table.genotypes)) == ("nb201", 7)
    assert str(folder / "nb201.npz") in table.source
    monkeypatch.setenv("PNAG_BENCHMARK_DIR", str(folder))
    assert len(load("nb201").genotypes) == 7
    # The package's own table is still there under its own name.
    assert len(load("nb201:analog").genotypes) == 15625


def test_packages_stand_in(tmp_path):
    table = load("nb201")
    assert table.name == "nb201:analog"
    assert table.source.startswith("package analog-nasbench 0.1.3 (15,625 cells")
    assert load("nb201", tmp_path).source == f"{table.source}; {tmp_path} has no nb201.npz"
    assert load("nb201:analog", tmp_path).source == table.source
    assert load("gnn").source.startswith("package nas-bench-graph 1.4.0")


def test_paths(folder, monkeypatch):
    shutil.move(folder / "nb201.npz", folder / "my_cells.npz")
    assert load(str(folder / "my_cells.npz")).name == "my_cells"
    assert load("my_cells", folder).name == "my_cells"
    monkeypatch.chdir(folder)
    assert load("my_cells.npz").space_name == "nb201"
    with pytest.raises(UsageError, match=r"nowhere\.npz: cannot read: No such file"):
        load("nowhere.npz")


def test_a_table_of_another_space_under_a_known_name(folder):
    shutil.copy(folder / "nb201.npz", folder / "macro.npz")
    with pytest.raises(DataError, match=r"macro\.npz: space: 'nb201'; expected 'macro'"):
        load("macro", folder)


def test_a_damaged_file_is_not_passed_over(folder):
    (folder / "nb201.npz").write_bytes(b"")
    with pytest.raises(DataError, match=r"nb201\.npz: is empty"):
        load("nb201", folder)


def test_nothing_at_hand(tmp_path, monkeypatch):
    with pytest.raises(
        MissingTableError, match=r"'macro': no table at hand; give a folder that has macro\.npz"
    ):
        load("macro")
    with pytest.raises(MissingTableError, match=r"put macro\.npz there: --benchmark_dir="):
        load("macro", tmp_path)


def test_unknown_names(folder):
    with pytest.raises(
        UsageError, match=r"accepted are .*gnn, .*macro, .*nb201, nb201:analog.* or"
    ) as error:
        load("cifar")
    assert not isinstance(error.value, MissingTableError)
    shutil.copy(folder / "nb201.npz", folder / "mine.npz")
    with pytest.raises(UsageError, match=r"accepted are .*macro, .*mine, .*nb201"):
        load("cifar", folder)


def test_folders_that_are_not(tmp_path, monkeypatch):
    with pytest.raises(UsageError, match=rf"--benchmark_dir={tmp_path}/none: no such folder"):
        load("nb201", tmp_path / "none")
    monkeypatch.setenv("PNAG_BENCHMARK_DIR", str(tmp_path / "none"))
    with pytest.raises(UsageError, match=r"PNAG_BENCHMARK_DIR=.*none: no such folder"):
        names()


def test_names(folder):
    assert names() == ("gnn", "nb201", "nb201:analog", "nb201:digits")
    (folder / "page.npz").write_text("<html>")
    shutil.copy(folder / "nb201.npz", folder / "mine.npz")
    assert names(folder) == ("gnn", "mine", "nb201", "nb201:analog", "nb201:digits")


def test_names_of_the_shared_folder(benchmark_dir):
    shared = names(benchmark_dir)
    spaces_of_files = {"autoformer", "gpt2", "macro", "mnasnet", "mobilenetv3", "nb201"}
    others = {"gnn", "gpt2_lm1b", "mobilenetv3_latency", "nb201:analog"}
    assert spaces_of_files | others <= set(shared)
    # Not in the format, though of a known space.
    assert "nb201_meta_train" not in shared


def test_a_space_may_have_two_tables(benchmark_dir):
    """Accuracies and latencies of subnets, of which none was measured in both."""
    accuracy, latency = (load(n, benchmark_dir) for n in ("mobilenetv3", "mobilenetv3_latency"))
    assert accuracy.space == latency.space and accuracy.valid.all() and latency.valid.all()
    # Rows that differ in skipped blocks alone are one subnet.
    kinds = [len(np.unique(table.classes)) for table in (accuracy, latency)]
    assert (len(accuracy.genotypes), len(latency.genotypes), kinds) == (2223, 5000, [2162, 5000])
    form = np.asarray(accuracy.space.canonical(latency.genotypes))
    assert (accuracy.class_rows(form) == -1).all()


def test_public_surface():
    for name in benchmarks.__all__:
        assert getattr(benchmarks, name).__doc__, name
