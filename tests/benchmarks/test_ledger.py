from __future__ import annotations

import itertools
import json
import os

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pnag_jax.benchmarks import BudgetError, QueryLedger, Task, get_task, load, queryable
from pnag_jax.errors import DataError, UsageError, UserError

NAN = np.nan


def ledger_of(table, budget=4, task="toy@valid", clock=None):
    clock = clock or itertools.count().__next__
    return QueryLedger(table, get_task(table, task), budget, clock=clock)


def rows_of(toy, *rows):
    return toy.genotypes[list(rows)]


def test_values_and_costs(toy):
    ledger = ledger_of(toy)
    # Pooling, a cell without a path, one that is not measured, one that is not in
    # the table, pooling again.
    asked = np.concatenate([rows_of(toy, 3, 5, 6), [[4, 4, 4, 4, 4, 4]], rows_of(toy, 3)])
    values = ledger.query(asked)
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, [7, NAN, NAN, NAN, 7])
    assert (ledger.used, ledger.remaining, ledger.budget) == (1, 3, 4)
    assert (ledger.invalid, ledger.unmeasured) == (1, 2)
    np.testing.assert_array_equal(ledger.query(rows_of(toy, 3, 5)), [7, NAN])
    assert (ledger.used, ledger.invalid, ledger.unmeasured) == (1, 2, 2)


def test_isomorphic_genotypes_are_one_query_and_keep_the_first_value(toy):
    ledger = ledger_of(toy)
    np.testing.assert_array_equal(ledger.query(rows_of(toy, 1, 0)), [9, 9])
    np.testing.assert_array_equal(ledger.query(rows_of(toy, 0)), [9])
    assert ledger.used == 1
    other = ledger_of(toy)
    np.testing.assert_array_equal(other.query(rows_of(toy, 0, 1)), [5, 5])
    np.testing.assert_array_equal(other.incumbent_curve(), [50])


def test_a_genotype_outside_the_table_is_read_as_its_twin(toy):
    # One pooling and a dead end: not a row, but the same as row 3.
    ledger = ledger_of(toy)
    np.testing.assert_array_equal(ledger.query([[2, 0, 0, 4, 0, 0]]), [7])
    np.testing.assert_array_equal(ledger.query(rows_of(toy, 3)), [7])
    assert ledger.used == 1
    assert ledger.entries[0].genotype.tolist() == [2, 0, 0, 4, 0, 0]


def test_genes_out_of_range_are_invalid(toy):
    ledger = ledger_of(toy)
    np.testing.assert_array_equal(ledger.query([[0, 0, 0, 5, 0, 0], [-1] * 6]), [NAN, NAN])
    assert (ledger.used, ledger.invalid) == (0, 2)


def test_budget_is_refused_before_anything_is_read(toy):
    ledger = ledger_of(toy, budget=2)
    ledger.query(rows_of(toy, 4))
    asked = rows_of(toy, 5, 0, 1, 4, 2)  # invalid, new, its twin, known, new
    assert ledger.affordable(asked) == 4
    with pytest.raises(BudgetError, match="2 new architectures, but 1 of 2 queries are left"):
        ledger.query(asked)
    assert (ledger.used, ledger.invalid) == (1, 0)
    ledger.query(asked[:4])
    assert (ledger.used, ledger.invalid) == (2, 1)
    # Nothing is left, but what was read stays readable.
    np.testing.assert_array_equal(ledger.query(rows_of(toy, 0, 1, 4)), [5, 5, 1])
    assert ledger.affordable(rows_of(toy, 0, 4)) == 2
    assert ledger.affordable(rows_of(toy, 2)) == 0


def test_incumbents(toy):
    ledger = ledger_of(toy)
    # Search 1, 7, 7, 9; report 10, 70, 60, 90.
    ledger.query(rows_of(toy, 4, 2, 3, 1))
    np.testing.assert_array_equal(ledger.incumbent_curve(), [10, 70, 65, 90])
    np.testing.assert_array_equal(ledger.report_values(), [10, 70, 60, 90])
    assert ledger.best(2) == [
        {"genotype": [3, 0, 0, 3, 0, 0], "search_value": 9.0, "report_value": 90.0},
        {"genotype": [0, 0, 0, 2, 0, 0], "search_value": 7.0, "report_value": 70.0},
    ]
    empty = ledger_of(toy)
    assert empty.incumbent_curve().shape == (0,)
    assert empty.best(3) == [] and empty.entries == []


def test_costs_are_minimized(toy):
    ledger = ledger_of(toy, task="toy@params")
    # Methods see the negative, reports the table's own sign.
    np.testing.assert_array_equal(ledger.query(rows_of(toy, 2, 1, 4)), [-20, -40, -5])
    np.testing.assert_array_equal(ledger.incumbent_curve(), [20, 20, 5])
    assert [entry.value for entry in ledger.entries] == [20, 40, 5]
    assert [row["search_value"] for row in ledger.best(3)] == [5, 20, 40]


def test_nan_is_never_an_incumbent_and_a_missing_report_stays_missing(toy):
    # Searched on test_accuracy, row 6 is the best; its valid_accuracy is missing.
    task = get_task(toy, "toy", "test_accuracy", "valid_accuracy")
    ledger = QueryLedger(toy, task, 4)
    ledger.query(rows_of(toy, 2, 6, 3))
    np.testing.assert_array_equal(ledger.incumbent_curve(), [7, NAN, NAN])
    assert ledger.best(1)[0]["report_value"] is None
    # Searched on valid_accuracy it is never read.
    ledger = ledger_of(toy)
    ledger.query(rows_of(toy, 6, 2))
    np.testing.assert_array_equal(ledger.incumbent_curve(), [70])


def test_entries(toy):
    ticks = iter([100.0, 101.5, 103.0])
    ledger = ledger_of(toy, clock=lambda: next(ticks))
    asked = rows_of(toy, 4, 2).astype(np.int32)
    ledger.query(asked)
    asked[:] = 0  # the caller's buffer is its own
    ledger.query(jnp.asarray(rows_of(toy, 3)))
    assert [(e.order, e.genotype.tolist(), e.value, e.seconds) for e in ledger.entries] == [
        (1, [0, 0, 0, 1, 0, 0], 1.0, 1.5),
        (2, [0, 0, 0, 2, 0, 0], 7.0, 1.5),
        (3, [0, 0, 0, 4, 0, 0], 7.0, 3.0),
    ]


@pytest.mark.parametrize("budget", [-1, 0, 5, 16])
def test_impossible_budgets(toy, budget):
    # Seven rows: one invalid, one not measured, two alike.
    with pytest.raises(UsageError, match=rf"budget {budget}: accepted are 1 \.\. 4, the distinct"):
        ledger_of(toy, budget)


def test_metric_that_the_table_lacks(toy):
    with pytest.raises(UsageError, match="table toy has no metric 'toy/bleu'"):
        QueryLedger(toy, Task("toy@bleu", "toy", "bleu", "bleu"), 1)


@pytest.mark.parametrize("asked", [[0, 0, 0, 3, 0, 0], [[0, 0, 3]], [[0.0] * 6], [["a"] * 6]])
def test_wrong_shapes_and_types(toy, asked):
    with pytest.raises(UsageError, match=r"nb201: genotypes are integers \[n, 6\], got shape"):
        ledger_of(toy).query(asked)


def test_empty_query(toy):
    assert ledger_of(toy).query([]).shape == (0,)


SIZES = {"genotypes": (4, 6), "values": (4,), "seconds": (4,), "counts": (4,), "elapsed": ()}


def test_state_has_fixed_shapes(toy):
    ledger = ledger_of(toy)
    before = ledger.state()
    ledger.query(rows_of(toy, 4, 5, 2))
    after = ledger.state()
    for state in (before, after):
        assert {name: array.shape for name, array in state.items()} == SIZES
        assert {str(array.dtype) for array in state.values()} == {"int32", "float32"}
    assert after["counts"].tolist() == [2, 1, 0, 0]
    np.testing.assert_array_equal(after["values"], [1, 7, NAN, NAN])


def test_restored_equals_unbroken(toy):
    unbroken = ledger_of(toy, clock=lambda: 0.0)
    broken = ledger_of(toy, clock=lambda: 0.0)
    for ledger in (unbroken, broken):
        ledger.query(rows_of(toy, 1, 5, 6))
        ledger.add_foreign_labels(30)
    task = broken.task
    broken = QueryLedger.restore(toy, task, 4, broken.state(), clock=lambda: 0.0)
    for ledger in (unbroken, broken):
        np.testing.assert_array_equal(ledger.query(rows_of(toy, 0, 2, 5)), [9, 7, NAN])
    for name, expected in unbroken.state().items():
        np.testing.assert_array_equal(broken.state()[name], expected, err_msg=name)
    assert (broken.foreign_labels, broken.invalid, broken.unmeasured) == (30, 2, 1)
    np.testing.assert_array_equal(broken.incumbent_curve(), unbroken.incumbent_curve())


def test_time_goes_on_where_it_stopped(toy):
    now = [10.0]
    ledger = ledger_of(toy, clock=lambda: now[0])
    now[0] = 14.0
    ledger.query(rows_of(toy, 4))
    now[0] = 15.0
    state = ledger.state()
    now[0] = 1000.0  # the break
    ledger = QueryLedger.restore(toy, ledger.task, 4, state, clock=lambda: now[0])
    now[0] = 1002.0
    ledger.query(rows_of(toy, 2))
    assert [entry.seconds for entry in ledger.entries] == [4.0, 7.0]


def test_budget_may_change_on_resume_if_it_covers_what_was_used(toy):
    ledger = ledger_of(toy, budget=3)
    ledger.query(rows_of(toy, 4, 2))
    state, task = ledger.state(), ledger.task
    assert QueryLedger.restore(toy, task, 4, state).remaining == 2
    assert QueryLedger.restore(toy, task, 2, state).remaining == 0
    with pytest.raises(UsageError, match="budget 1: 2 queries were made already"):
        QueryLedger.restore(toy, task, 1, state)


def test_state_of_another_table_or_damaged(toy):
    ledger = ledger_of(toy)
    ledger.query(rows_of(toy, 4, 2))
    state = ledger.state()
    with pytest.raises(UsageError, match="its queries are not those of toy/params in table toy"):
        QueryLedger.restore(toy, get_task(toy, "toy@params"), 4, state)
    with pytest.raises(DataError, match=r"counts: .* are impossible"):
        wrong = {**state, "counts": np.array([9, 0, 0, 0], np.int32)}
        QueryLedger.restore(toy, ledger.task, 4, wrong)
    with pytest.raises(DataError, match="elapsed missing"):
        rest = {name: array for name, array in state.items() if name != "elapsed"}
        QueryLedger.restore(toy, ledger.task, 4, rest)
    with pytest.raises(UsageError, match="its queries are not those"):
        twice = {**state, "genotypes": np.repeat(state["genotypes"][:1], 4, axis=0)}
        QueryLedger.restore(toy, ledger.task, 4, twice)


def test_jsonl(toy, tmp_path):
    ticks = itertools.count(0, 0.5)
    ledger = ledger_of(toy, clock=lambda: next(ticks))
    ledger.query(rows_of(toy, 4, 5, 2))
    path = tmp_path / "ledger.jsonl"
    path.write_text("old")
    ledger.write_jsonl(path)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[0] == {
        "order": 1,
        "genotype": [0, 0, 0, 1, 0, 0],
        "architecture": "|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|",
        "value": 1.0,
        "seconds": 0.5,
    }
    assert [line["order"] for line in lines] == [1, 2]
    assert os.listdir(tmp_path) == ["ledger.jsonl"]


def test_jsonl_that_cannot_be_written_keeps_the_old_file(toy, tmp_path, monkeypatch):
    path = tmp_path / "ledger.jsonl"
    path.write_text("old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    ledger = ledger_of(toy)
    ledger.query(rows_of(toy, 4))
    with pytest.raises(UserError, match=r"ledger\.jsonl: cannot write: No space left") as error:
        ledger.write_jsonl(path)
    assert error.value.exit_code == 1
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["ledger.jsonl"]


def test_values_are_written_as_people_write_them(toy, tmp_path):
    table = load("gnn")
    ledger = QueryLedger(table, get_task(table, "cora@valid"), 1)
    ledger.query(table.genotypes[:1])
    ledger.write_jsonl(tmp_path / "l")
    assert '"value": 77.333336' in (tmp_path / "l").read_text()


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.lists(st.integers(0, 15624), max_size=12), max_size=8),
    st.integers(1, 40),
    st.integers(0, 8),
)
def test_whatever_is_asked(batches, budget, cut):
    """The budget holds, answers never change, a break in the middle changes nothing."""
    table = load("nb201:analog")
    task = get_task(table, "cifar10@digital")
    values = table.column("cifar10/test_accuracy")
    ledger = QueryLedger(table, task, budget, clock=lambda: 0.0)
    first: dict[int, float] = {}
    invalid = 0
    for step, rows in enumerate(batches):
        if step == cut:
            ledger = QueryLedger.restore(table, task, budget, ledger.state(), clock=lambda: 0.0)
        rows = rows[: ledger.affordable(table.genotypes[rows])]
        got = ledger.query(table.genotypes[rows])
        for row, value in zip(rows, got, strict=True):
            if not table.valid[row]:
                invalid += 1
                assert np.isnan(value)
                continue
            assert value == first.setdefault(int(table.classes[row]), float(values[row]))
        assert ledger.used == len(first) <= budget
        assert ledger.invalid == invalid
    curve = ledger.incumbent_curve()
    assert len(curve) == ledger.used
    # Search and report metric are one here: the curve is the running maximum.
    np.testing.assert_allclose(
        curve, np.maximum.accumulate(list(first.values()) or [0])[: len(curve)]
    )


def test_whole_space_in_one_query():
    table = load("nb201:analog")
    task = get_task(table, "cifar10@digital")
    budget = queryable(table, task.search_column)
    ledger = QueryLedger(table, task, budget)
    values = ledger.query(table.genotypes)
    assert (ledger.used, ledger.remaining) == (budget, 0)
    assert ledger.invalid == np.isnan(values).sum() == 15625 - 15284
