"""Queries of several objectives, and the measure of a front, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from pnag_jax import spaces
from pnag_jax.benchmarks import Table, objectives
from pnag_jax.benchmarks.several import SeveralLedger, searchable, true_front
from pnag_jax.errors import UsageError

# The first two are isomorphic; the last is not valid.
GENOTYPES = np.array(
    [[0, 0, 0, 1, 0, 0], [3, 0, 0, 1, 0, 0], [2, 0, 0, 1, 2, 0], [3, 3, 3, 3, 3, 3], [0] * 6],
    np.int32,
)
ACCURACY = np.array([10.0, 11.0, 60.0, 110.0, 100.0], np.float32)
LATENCY = np.array([1.0, 4.0, 6.0, 11.0, 0.0], np.float32)


@pytest.fixture(scope="module")
def table() -> Table:
    arrays = {"a/accuracy": ACCURACY, "a/latency": LATENCY}
    return Table(
        name="toy",
        space_name="nb201",
        genotypes=GENOTYPES.astype(np.int16),
        metrics=tuple(arrays),
        meta={},
        source="worked out by hand",
        read_column=lambda metric: arrays[metric].copy(),
    )


@pytest.fixture(scope="module")
def goal(table):
    return objectives.parse(table, "a", "accuracy,latency", "latency<=6")


def test_isomorphic_cells_are_queries_of_their_own(table, goal):
    ledger = SeveralLedger(table, goal, 3)
    answers = ledger.query(GENOTYPES[[0, 1, 0, 4]])
    np.testing.assert_array_equal(
        answers, [[10, -1, 5], [11, -4, 2], [10, -1, 5], [np.nan, np.nan, np.nan]]
    )
    assert (ledger.used, ledger.invalid) == (2, 1)
    np.testing.assert_array_equal(ledger.told(), answers[:2])


def test_the_budget_may_be_as_large_as_what_can_be_queried(table, goal):
    assert SeveralLedger(table, goal, 4).budget == 4
    with pytest.raises(UsageError, match=r"accepted are 1 \.\. 4"):
        SeveralLedger(table, goal, 5)


def test_a_ledger_comes_back_from_its_state(table, goal):
    ledger = SeveralLedger(table, goal, 3)
    ledger.query(GENOTYPES[[3, 1]])
    again = SeveralLedger.restore(table, goal, 3, ledger.state())
    np.testing.assert_array_equal(again.told(), ledger.told())
    assert again.remaining == 1


def test_lines_of_the_ledger_hold_all_values_in_the_tables_sign(table, goal, tmp_path):
    ledger = SeveralLedger(table, goal, 3)
    ledger.query(GENOTYPES[[3]])
    ledger.write_jsonl(tmp_path / "ledger.jsonl")
    line = (tmp_path / "ledger.jsonl").read_text()
    assert '"values": {"accuracy": 110.0, "latency": 11.0}' in line


def test_a_table_of_a_part_is_searched_as_that_part(table, goal):
    space = searchable(table, goal)
    assert len(space.held) == 4
    assert spaces.folded(space) == table.space


def test_the_true_front_by_hand(table):
    goal = objectives.parse(table, "a", "accuracy,latency")
    front = true_front(table, goal)
    assert sorted(front.rows.tolist()) == [0, 1, 2, 3]
    np.testing.assert_array_equal(front.ideal, [110, -1])
    np.testing.assert_array_equal(front.nadir, [10, -11])
    # Scaled: (0, 1) (0.01, 0.7) (0.5, 0.5) (1, 0); the reference point is (-0.1, -0.1).
    volume = 0.1 * 1.1 + 0.01 * 0.8 + 0.49 * 0.6 + 0.5 * 0.1
    assert front.volume == pytest.approx(volume, rel=1e-6)
    curve = front.curve(goal.told(table)[[3, 0, 1, 0, 2]])
    first = 1.1 * 0.1
    second = first + 0.1 * 1.0
    third = second + 0.01 * 0.7
    np.testing.assert_allclose(
        curve, np.array([first, second, third, third, volume]) / volume, rtol=1e-6
    )


def test_what_violates_a_constraint_counts_neither_as_front_nor_as_found(table, goal):
    front = true_front(table, goal)
    assert sorted(front.rows.tolist()) == [0, 1, 2]
    assert front.curve(goal.told(table)[[3]]).tolist() == [0.0]
    assert front.curve(goal.told(table)[:3])[-1] == pytest.approx(1.0)


def test_a_front_of_one_point_has_a_share_too(table):
    goal = objectives.parse(table, "a", "accuracy,+latency")
    front = true_front(table, goal)
    assert front.rows.tolist() == [3]
    assert front.curve(goal.told(table)[[0, 3]]) == pytest.approx([0.0, 1.0])
