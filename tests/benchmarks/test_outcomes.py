from __future__ import annotations

import numpy as np

from pnag_jax.benchmarks import (
    QueryLedger,
    get_task,
    median_queries_to_optimum,
    queries_to_optimum,
    simple_regret,
)


def run(toy, rows, name="toy@valid"):
    ledger = QueryLedger(toy, get_task(toy, name), budget=4)
    ledger.query(toy.genotypes[rows])
    return ledger


def test_queries_to_optimum(toy):
    # The best search value, 9, is in row 1.
    assert queries_to_optimum(run(toy, [4, 5, 2, 1, 3])) == 3
    assert queries_to_optimum(run(toy, [1])) == 1
    assert queries_to_optimum(run(toy, [4, 2])) == np.inf
    assert queries_to_optimum(run(toy, [])) == np.inf
    # Row 0 is the same architecture, read as 5: the 9 is never seen.
    assert queries_to_optimum(run(toy, [0, 1])) == np.inf
    # Parameters are minimized: 5, in row 4.
    assert queries_to_optimum(run(toy, [2, 4], "toy@params")) == 2


def test_median_over_runs(toy):
    runs = [run(toy, rows) for rows in ([1], [4, 2, 1], [4, 2])]
    assert median_queries_to_optimum(runs) == 3
    assert median_queries_to_optimum(runs[1:]) == np.inf


def test_simple_regret(toy):
    # Incumbents report 10, then 70, then the mean of 70 and 60; the best report is 95.
    np.testing.assert_array_equal(simple_regret(run(toy, [4, 2, 3])), [85, 25, 30])
    # The fewest parameters are 5.
    np.testing.assert_array_equal(simple_regret(run(toy, [1, 2], "toy@params")), [35, 15])
