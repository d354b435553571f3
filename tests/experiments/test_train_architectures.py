"""The program that trains architectures, with a network that compiles in no time."""

from __future__ import annotations

import json

import numpy as np
import pytest

from experiments import real_training
from pnag_jax import benchmarks
from pnag_jax.errors import UsageError
from pnag_jax.training import metrics
from pnag_jax.training.interrupts import Interrupted
from tests.experiments.small_training import ALONE, Signals, finish, use_toys
from tests.networks import toy


@pytest.fixture(autouse=True)
def toys(monkeypatch):
    use_toys(monkeypatch.setattr)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        use_toys(patch.setattr)
        folder = tmp_path_factory.mktemp("unbroken")
        return folder, finish(folder)


def test_the_table_is_one_that_every_program_reads(unbroken):
    folder, results = unbroken
    table = benchmarks.read_table(folder / "table.npz")
    assert table.space_name == "nb201" and table.genotypes.shape == (5, 6)
    valid = table.column("toy/valid_accuracy")
    seeds = [table.column(f"toy/valid_accuracy_seed{i}") for i in range(2)]
    np.testing.assert_allclose(valid, np.mean(seeds, axis=0), rtol=1e-6)
    np.testing.assert_allclose(
        table.column("toy/test_accuracy_std"),
        np.std([table.column(f"toy/test_accuracy_seed{i}") for i in range(2)], axis=0, ddof=1),
        rtol=1e-5,
    )
    task = benchmarks.get_task(table, "toy")
    assert (task.search_metric, task.report_metric) == ("valid_accuracy", "test_accuracy")
    assert table.meta["command"].startswith("python -m experiments.train_architectures")
    best = results["best"][0]
    assert best["search_value"] == pytest.approx(valid.max())
    assert best["params"] > 0 and best["flops"] > 0


def test_results_have_the_keys_of_every_program(unbroken):
    folder, results = unbroken
    assert json.loads((folder / "results.json").read_text()) == results
    assert results["search"] is None and results["generation"] is None
    assert results["training"]["steps"] == 10 * 3 * 5  # trainings, epochs, batches of 8 in 40
    assert results["training"]["reconstruction"] is None
    lines = metrics.read(folder / "metrics.jsonl")
    assert [line["step"] for line in lines] == list(range(1, 10))
    assert [line["group"] for line in lines] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert (folder / "report.html").exists()


def test_a_run_that_is_interrupted_ends_as_an_unbroken_one(unbroken, tmp_path):
    """Within a group, behind it, and within another."""
    folder, results = unbroken
    for left in (1, 2, 2):
        with pytest.raises(Interrupted):
            finish(tmp_path, interrupt=Signals(left=left))
    resumed = finish(tmp_path)
    for name in ("metrics.jsonl",):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()
    assert resumed["best"] == results["best"]
    assert sorted(p.name for p in (tmp_path / "checkpoints").iterdir()) == ["finished"]


@pytest.mark.parametrize(
    ("flag", "text"),
    [
        ("--space=gpt2 --skeleton=", "--space=gpt2: its networks do not take images of 4 x 4 x 1"),
        ("--space=gnn", "--space=gnn: has no networks; accepted are"),
        ("--skeleton=width=3", "no field 'width'; accepted are channels, cells"),
        ("--skeleton=channels", "accepted are distinct FIELD=VALUE"),
        ("--skeleton=channels=2.5", "channels = 2.5; accepted are values of type int"),
        ("--epochs=0", "epochs = 0; accepted are numbers from 1"),
        ("--batch_size=41", "batch_size = 41; accepted are numbers from 2 to 40"),
    ],
)
def test_a_flag_that_is_not_accepted_is_one_clear_line(tmp_path, flag, text):
    with pytest.raises(UsageError, match=text) as caught:
        finish(tmp_path, *flag.split())
    assert "\n" not in str(caught.value)


def test_other_flags_in_the_same_folder_are_refused(unbroken):
    folder, _ = unbroken
    with pytest.raises(
        UsageError, match=r"started with another config: recipe.epochs was 3 and is"
    ):
        finish(folder, "--epochs=4")


def test_groups_without_a_population_are_the_seeds_of_one_architecture():
    plan = real_training.Plan(
        "nb201", np.zeros((3, 6), int), (7, 8), toy.data(), None, {}, 64, False
    )
    assert [group.tolist() for group in plan.groups] == [[0, 1], [2, 3], [4, 5]]


def test_two_processes_compile_an_architecture_each(two, tmp_path, monkeypatch):
    """Two groups side by side come out as of one process."""
    use_toys(monkeypatch.setattr, ALONE)
    flags = (ALONE, "--archs=random:2")
    want = finish(tmp_path / "one", *flags)
    got, nothing = two(lambda i: finish(tmp_path / f"two{i}", *flags))
    assert nothing == {} and not (tmp_path / "two1").exists()
    assert got["best"] == want["best"]
    one, first = (tmp_path / name / "metrics.jsonl" for name in ("one", "two0"))
    assert one.read_bytes() == first.read_bytes()
