"""What holds of every importer of the registry."""

from __future__ import annotations

import json
import os
import pathlib
import struct
import zipfile

import numpy as np
import pytest

from pnag_jax import benchmarks
from pnag_jax.benchmarks import importers
from pnag_jax.errors import DataError, UsageError
from tests.benchmarks.importers import official, torch_files

EXAMPLES = {example.layout: example for example in official.EXAMPLES}


@pytest.fixture(params=EXAMPLES)
def example(request) -> official.Example:
    return EXAMPLES[request.param]


@pytest.fixture
def source(example, tmp_path) -> pathlib.Path:
    path = tmp_path / example.file
    example.write(path)
    return path


def largest(source: pathlib.Path) -> pathlib.Path:
    """The file, or the last cell of a folder."""
    return source if source.is_file() else sorted(source.iterdir())[-2]


def test_every_layout_has_an_example():
    assert set(EXAMPLES) == set(importers.LAYOUTS)


def test_values(example, source, tmp_path):
    layout = importers.LAYOUTS[example.layout]
    rows = layout.read(source)
    assert len(rows) == len(example.genotypes)
    rows.save(tmp_path / f"{layout.table}.npz")
    table = benchmarks.load(layout.table, tmp_path)
    assert table.space_name == rows.space
    assert table.genotypes.tolist() == [list(genotype) for genotype in example.genotypes]
    for name, expected in example.values.items():
        np.testing.assert_allclose(table.column(name), expected, rtol=1e-6, err_msg=name)
    assert len(table.metrics) == example.columns, table.metrics
    assert {"sources", "licence", "units"} <= set(table.meta)
    assert example.file in table.meta["sources"][0]


def test_told_from_the_name_and_from_the_content(example, source, tmp_path):
    assert importers.detect(source).name == example.layout
    renamed = source.rename(tmp_path / "download(1)")
    assert importers.detect(renamed).name == example.layout


@pytest.mark.parametrize("kept", [0.0, 0.02, 0.5, 0.98])
def test_truncated(example, source, kept):
    file = largest(source)
    whole = file.read_bytes()
    file.write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(DataError, match=f"{source.name}.*") as caught:
        importers.LAYOUTS[example.layout].read(source).save(source.parent / "t.npz")
    assert "\n" not in str(caught.value)
    assert not (source.parent / "t.npz").exists()


def test_a_web_page_of_the_right_name(example, source):
    largest(source).write_text("<!DOCTYPE html><html><body>Too many requests</body></html>")
    with pytest.raises(DataError, match=source.name):
        importers.LAYOUTS[example.layout].read(source)


def test_damaged_bytes_are_no_traceback(example, source):
    file = largest(source)
    whole = file.read_bytes()
    rng = np.random.default_rng(0)
    for at in rng.integers(0, len(whole), 20):
        damaged = bytearray(whole)
        damaged[at] ^= 0xFF
        file.write_bytes(damaged)
        try:
            importers.LAYOUTS[example.layout].read(source)
        except DataError as error:
            assert source.name in str(error)


class Runs:
    """Pickles to a call of ``os.mkdir``."""

    def __init__(self, path: pathlib.Path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_a_foreign_global_is_refused_by_name(example, tmp_path):
    if example.poison is None:
        pytest.skip("the layout has no pickle")
    alive = tmp_path / "canary"
    path = tmp_path / example.file
    example.poison(path, Runs(alive))
    with pytest.raises(DataError, match=r"it names posix\.mkdir, which is not allowed"):
        importers.LAYOUTS[example.layout].read(path)
    assert not alive.exists()


def test_nothing_that_is_known(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(UsageError, match="is of no known layout by name or content"):
        importers.detect(tmp_path / "notes.txt")
    with pytest.raises(UsageError, match="no such file or folder"):
        importers.detect(tmp_path / "nothing")


def test_networks_without_a_space(tmp_path):
    path = tmp_path / "transnas-bench_v10141024.pth"
    torch_files.save_zip(path, official.transnas(space="macro"))
    with pytest.raises(DataError, match="holds no architecture"):
        importers.LAYOUTS["transnas-bench-101"].read(path).save(tmp_path / "t.npz")
    data = official.transnas()
    data["data"]["micro"]["64-1234-basic"] = {}
    torch_files.save_zip(path, data)
    with pytest.raises(DataError, match=r"'64-1234-basic' .* only cells of the micro space can be"):
        importers.LAYOUTS["transnas-bench-101"].read(path)


def test_a_zip_bomb_is_refused_early(tmp_path):
    """One entry of 64 MB of blanks in a file of 70 kB."""
    path = tmp_path / "NAS-Bench-201-v1_1-096897.pth"
    raw, _ = torch_files.pickled({"arch2infos": {0: {"a": ["x"]}, 1: {"b": 0}}}, legacy=False)
    blanks = b"X" + struct.pack("<I", 2**20) + b" " * 2**20 + b"0"  # BINUNICODE, POP
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", raw[: raw.index(b"x")] + b"x" + blanks * 64)
    assert path.stat().st_size < 100_000
    with pytest.raises(DataError, match="an entry is larger than 8,388,608 bytes"):
        importers.LAYOUTS["nas-bench-201"].read(path)


def test_cells_that_are_not_all_there(tmp_path):
    path = tmp_path / "NATS-tss-v1_0-3ffb9-simple"
    official.write_nats(path)
    (path / "000001.pickle.pbz2").rename(path / "000003.pickle.pbz2")
    with pytest.raises(DataError, match=r"000001\.pickle\.pbz2: cannot read: No such file"):
        importers.LAYOUTS["nats-bench"].read(path)
    data = official.cells_201()
    del data["arch2infos"][2]
    path = tmp_path / "a.pth"
    torch_files.save_zip(path, data)
    with pytest.raises(DataError, match="has results of 2 cells and lists 3"):
        importers.LAYOUTS["nas-bench-201"].read(path)


def test_one_cell_twice(tmp_path):
    data = official.cells_201()
    data["arch2infos"][2] = data["arch2infos"][1]
    path = tmp_path / "a.pth"
    torch_files.save_legacy(path, data)
    with pytest.raises(DataError, match=r"holds the architecture '\|nor_conv_3x3~0\|.*' twice"):
        importers.LAYOUTS["nas-bench-201"].read(path).save(tmp_path / "t.npz")


def test_macro_of_the_real_table(benchmark_dir, tmp_path):
    """All 6,561 chains, written as the official file has them, give the table again."""
    table = benchmarks.load("macro", benchmark_dir)
    names = ("test_accuracy_seed0", "test_accuracy_seed1", "test_accuracy_seed2")
    seeds = np.stack([table.column(f"cifar10/{name}") for name in names], axis=1).tolist()
    costs = [table.column(f"cifar10/{name}").tolist() for name in ("params", "flops")]
    keys = ["".join(map(str, genotype)) for genotype in table.genotypes]
    path = tmp_path / "nas-bench-macro_cifar10.json"
    rows = zip(keys, seeds, *costs, strict=True)
    path.write_text(
        json.dumps(
            {k: {"test_acc": s, "mean_acc": 0, "params": p, "flops": f} for k, s, p, f in rows}
        )
    )
    importers.LAYOUTS["nas-bench-macro"].read(path).save(tmp_path / "macro.npz")
    again = benchmarks.load("macro", tmp_path)
    assert set(again.metrics) == set(table.metrics)
    at = again.rows(table.genotypes)
    for metric in table.metrics:
        np.testing.assert_allclose(again.column(metric)[at], table.column(metric), atol=2e-5)
