"""Searches by several processes, for which threads stand here."""

from __future__ import annotations

import jax
import pytest

from experiments import comparison, searching
from experiments.comparison_plan import Plan
from pnag_jax import benchmarks, reports
from pnag_jax.training.interrupts import Interrupt, Interrupted
from tests.experiments.small_run import without_timings
from tests.experiments.small_table import write_table

BUDGET = 12


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return benchmarks.load(str(write_table(tmp_path_factory.mktemp("table") / "toy.npz")))


def search(table, folder, seeds, **options):
    return searching.run_method(
        "random",
        table,
        benchmarks.get_task(table, "toy@seen"),
        **{"budget": BUDGET, "seeds": seeds, "key": jax.random.key(0), "folder": folder} | options,
    )


def found(result):
    queries = [[e.genotype.tolist() for e in ledger.entries] for ledger in result.ledgers]
    return result.rounds, result.seeds, queries


def test_a_seed_that_two_processes_search_is_that_of_one(two, table, tmp_path):
    """One has none of its own; the second keeps nothing."""
    one = search(table, tmp_path / "one", 1)
    both = two(lambda i: search(table, tmp_path / f"two{i}", 1, together=True))
    assert [found(result) for result in both] == [found(one)] * 2
    assert both[0].compile_seconds == 0 < both[0].method_seconds
    assert not (tmp_path / "two1").exists()


def test_a_comparison_by_two_processes_is_that_of_one(two, table, tmp_path, monkeypatch):
    """Two of three seeds in one process and one in the other; the first alone reports."""
    monkeypatch.setattr(reports, "write", lambda folder, *_: (folder / "report.html").touch())
    task = benchmarks.get_task(table, "toy@seen:true")
    plan = Plan(table=table, tasks=(task,), methods=("random",), budget=BUDGET, seeds=3)
    want = comparison.run(plan, tmp_path / "one")
    got, nothing = two(lambda i: comparison.run(plan, tmp_path / f"two{i}"))
    assert nothing == {} and not (tmp_path / "two1").exists()
    assert without_timings(got) == without_timings(want)
    # What is finished is not searched again.
    monkeypatch.delattr(searching, "run_method")
    assert two(lambda i: comparison.run(plan, tmp_path / f"two{i}")) == [got, {}]


def test_a_signal_to_one_stops_both_and_one_process_goes_on(two, table, tmp_path):
    interrupts = [Interrupt(), Interrupt()]
    interrupts[1].signum = 15

    def stopped(number):
        folder = tmp_path / str(number)
        return search(table, folder, 3, together=True, interrupt=interrupts[number])

    for _ in range(2):
        assert all(isinstance(ended, Interrupted) for ended in two(stopped))
    rest = search(table, tmp_path / "0", 3)
    assert found(rest) == found(search(table, tmp_path / "one", 3))
