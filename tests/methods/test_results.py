from __future__ import annotations

import numpy as np
import pytest

from pnag_jax.benchmarks import QueryLedger, Task
from pnag_jax.methods import base
from pnag_jax.methods.results import SearchResult

# Single operations on 0->3; then one 3x3 convolution after a skip, which is
# isomorphic to the first and not in the table.
CELLS = np.array([[0, 0, 0, 3, 0, 0], [0, 0, 0, 2, 0, 0], [0, 0, 0, 4, 0, 0], [0, 0, 0, 1, 0, 0]])
CONV_AFTER_SKIP = [1, 0, 0, 0, 3, 0]
SEEN, TRUE = [5.0, 7.0, 7.0, 1.0], [50.0, 70.0, 60.0, 90.0]
TASK = Task("toy@hand", "toy", "seen", "true")


@pytest.fixture
def result(make_table):
    """Two seeds that asked for the cells in another order; the second stopped early."""
    table = make_table("nb201", CELLS, seen=SEEN, true=TRUE)
    ledgers = [QueryLedger(table, TASK, 4), QueryLedger(table, TASK, 4)]
    ledgers[0].query([CONV_AFTER_SKIP, CELLS[1], [3, 0, 0, 0, 0, 0], CELLS[2], CELLS[3]])
    ledgers[1].query(CELLS[[3, 1]])
    return SearchResult("by hand", (0, 1), tuple(ledgers), 3, 1.0, 0.5, 2.0)


def test_curves_worked_out_by_hand(result):
    # Seed 0: 5 -> 50; 7 -> 70; a tie at 7 -> (70 + 60) / 2; 1 is no better.
    # Seed 1: 1 -> 90; 7 -> 70, and that is kept to the end.
    np.testing.assert_array_equal(result.curves, [[50, 70, 65, 65], [90, 70, 70, 70]])
    np.testing.assert_array_equal(result.regret, [[40, 20, 25, 25], [0, 20, 20, 20]])
    np.testing.assert_array_equal(result.search_curves, [[5, 7, 7, 7], [1, 7, 7, 7]])
    assert result.optimum == 90 and result.budget == 4 and result.task == TASK
    band = result.band()
    assert band["mean"] == [70, 70, 67.5, 67.5]
    np.testing.assert_allclose(band["std"], [40 / np.sqrt(2), 0, 5 / np.sqrt(2), 5 / np.sqrt(2)])


def test_queries_to_the_optimum_are_of_the_report_metric(result):
    assert result.queries_to_optimum.tolist() == [4, 1]
    assert result.queries_to_best_search.tolist() == [2, 2]


def test_incumbents_have_the_best_search_value(result):
    expected = {"genotype": CELLS[1].tolist(), "search_value": 7.0, "report_value": 70.0}
    assert result.incumbents == [expected, expected]


def test_the_summary_worked_out_by_hand(result):
    row = result.summary(budgets=(2, 3, 100))
    assert row["queries"] == [2, 3, 4]
    assert row["mean"] == [70, 67.5, 67.5] and row["median"] == [70, 67.5, 67.5]
    assert row["search_mean"] == [7, 7, 7]
    assert row["regret"] == [20, 22.5, 22.5] and row["optimum"] == 90
    assert row["median_queries_to_optimum"] == 2.5 and row["median_queries_to_best_search"] == 2
    assert (row["spent"], row["invalid"], row["unmeasured"]) == (3, 0.5, 0)
    assert row["seconds_per_seed"] == 0.5 and row["seconds_per_query"] == 1 / 6
    names = (row["task"], row["method"], row["search_metric"], row["report_metric"])
    assert names == ("toy@hand", "by hand", "seen", "true")


def test_never_is_none_in_a_summary(make_table):
    table = make_table("nb201", CELLS, seen=SEEN, true=TRUE)
    ledger = QueryLedger(table, TASK, 2)
    ledger.query(CELLS[[0]])
    alone = SearchResult("m", (0,), (ledger,), 1, 0.0, 0.0, 0.0)
    assert alone.queries_to_optimum.tolist() == [np.inf]
    row = alone.summary()
    assert row["median_queries_to_optimum"] is None and row["std"] == [0.0]
    nothing = SearchResult("m", (0,), (QueryLedger(table, TASK, 2),), 0, 0.0, 0.0, 0.0)
    assert nothing.incumbents == [None] and nothing.summary()["mean"] == [None]


def test_methods_that_tell_nothing_have_no_guidance(result):
    assert result.guidance() is None and result.summary()["guidance"] is None


@pytest.mark.parametrize("sign", [1, -1])
def test_guidance_is_of_what_was_expected_and_what_came(make_table, sign):
    genotypes = np.unique(np.random.default_rng(0).integers(0, 3, (40, 8)), axis=0)
    values = np.arange(float(len(genotypes)))
    name = "seen" if sign > 0 else "latency"
    table = make_table("macro", genotypes, **{name: values})
    task = Task("toy@hand", "toy", name, name)
    ledger = QueryLedger(table, task, 24)
    ledger.query(genotypes[:24])
    told = sign * np.array([entry.value for entry in ledger.entries])
    assert len(told) == 24
    expected = np.where(np.arange(24) < 4, np.nan, told)  # four uniform draws first
    expected[16:] *= -1  # and in the end all wrong
    steered = np.where(np.arange(24) < 4, np.nan, 2.0)
    trace = base.Trace(expected[None], steered[None])
    found = SearchResult("by hand", (0,), (ledger,), 12, 1.0, 0.5, 2.0, trace).guidance()
    assert found["queries"] == [16, 24] and found["steering"] == [2, 2]
    assert found["rank_correlation"][0] == pytest.approx(1)
    assert found["rank_correlation"][1] < 0.9
