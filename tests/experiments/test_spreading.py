"""Searches by several processes, for which threads stand here."""

from __future__ import annotations

import threading

import jax
import pytest

from experiments import searching
from pnag_jax import benchmarks
from pnag_jax.training import hosts
from pnag_jax.training.interrupts import Interrupt, Interrupted
from tests.experiments.small_table import write_table

BUDGET = 12


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return benchmarks.load(str(write_table(tmp_path_factory.mktemp("table") / "toy.npz")))


@pytest.fixture
def two(monkeypatch):
    """Runs a function as two processes do, each given its number; returns what they return."""
    mine, meeting, said = threading.local(), threading.Barrier(2, timeout=60), [None, None]

    def exchange(value):
        said[mine.index] = value
        meeting.wait()
        both = list(said)
        meeting.wait()
        return both

    def gathered(tree):
        both = exchange(tree)
        shapes = [[(x.shape, x.dtype) for x in jax.tree.leaves(each)] for each in both]
        assert shapes[0] == shapes[1]
        return both

    def index():
        return getattr(mine, "index", 0)

    def run(function):
        results = [None, None]

        def work(number):
            mine.index = number
            try:
                results[number] = function(number)
            except BaseException as error:
                results[number] = error
                if not isinstance(error, Interrupted):
                    meeting.abort()

        threads = [threading.Thread(target=work, args=(number,)) for number in (0, 1)]
        with monkeypatch.context() as patch:
            patch.setattr(hosts, "count", lambda: 2)
            patch.setattr(hosts, "index", index)
            patch.setattr(hosts, "gathered", gathered)
            patch.setattr(hosts, "told", lambda tree: gathered(tree)[0])
            patch.setattr(hosts, "highest", lambda number: max(exchange(number)))
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        return results

    return run


def search(table, folder, seeds, **options):
    return searching.run_method(
        "evolution:population=4",
        table,
        benchmarks.get_task(table, "toy@seen"),
        **{"budget": BUDGET, "seeds": seeds, "key": jax.random.key(0), "folder": folder} | options,
    )


def found(result):
    queries = [[e.genotype.tolist() for e in ledger.entries] for ledger in result.ledgers]
    return result.rounds, result.seeds, queries


@pytest.mark.parametrize("seeds", [3, 1])
def test_the_seeds_of_two_processes_are_those_of_one(two, table, tmp_path, seeds):
    """More than one process has, or fewer; the second keeps nothing."""
    one = search(table, tmp_path / "one", seeds)
    both = two(lambda i: search(table, tmp_path / f"two{i}", seeds, together=True))
    assert [found(result) for result in both] == [found(one)] * 2
    assert both[0].compile_seconds == 0 < both[0].method_seconds
    assert not (tmp_path / "two1").exists()


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
