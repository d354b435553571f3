"""Dominance worked out by hand, and against a loop in plain Python."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pnag_jax.objectives import dominance

# Two fronts: (0, 4) (2, 3) (3, 0) and behind them (1, 1) twice.
POINTS = np.array([[0.0, 4.0], [1.0, 1.0], [2.0, 3.0], [3.0, 0.0], [1.0, 1.0]])
ALL = np.ones(5, bool)

# One shape, so that one compilation serves all examples.
matrices = hnp.arrays(np.float32, (8, 3), elements=st.integers(0, 3))
masks = hnp.arrays(bool, 8)
violations = hnp.arrays(np.float32, 8, elements=st.sampled_from([0.0, 0.0, 1.0, 2.0]))


def beats(a, b, va=0.0, vb=0.0) -> bool:
    return va < vb or (va == vb and (a >= b).all() and (a > b).any())


@settings(max_examples=40, deadline=None)
@given(matrices, masks, violations)
def test_ranks_are_those_of_peeling_in_a_loop(values, counted, violation):
    rank = np.asarray(dominance.ranks(values, counted, violation))
    left, level = set(np.flatnonzero(counted).tolist()), 0
    while left:
        free = {
            i
            for i in left
            if not any(beats(values[j], values[i], violation[j], violation[i]) for j in left)
        }
        assert all(rank[i] == level for i in free)
        left, level = left - free, level + 1
    assert (rank[~counted] == len(values)).all()
    first = np.asarray(dominance.nondominated(values, counted, violation))
    np.testing.assert_array_equal(first, counted & (rank == 0))


def test_ranks_by_hand():
    assert dominance.ranks(POINTS, ALL).tolist() == [0, 1, 0, 0, 1]


def test_without_a_point_the_rest_moves_up():
    counted = np.array([True, True, False, True, False])
    assert dominance.ranks(POINTS, counted).tolist() == [0, 0, 5, 0, 5]


def test_what_violates_less_dominates_however_bad_it_is():
    violation = np.array([0.5, 0.0, 1.0, 2.0, 2.0])
    assert dominance.ranks(POINTS, ALL, violation).tolist() == [1, 0, 2, 3, 3]


def test_crowding_by_hand():
    # Of (2, 3) the neighbours are (0, 4) and (3, 0): 3 of 3 and 4 of 4.
    apart = dominance.crowding(POINTS, np.array([0, 1, 0, 0, 1]))
    assert apart.tolist() == [np.inf, np.inf, 2.0, np.inf, np.inf]


def test_crowding_of_equal_points_is_0_between_the_ends():
    values = jnp.array([[0.0], [0.0], [0.0], [0.0]])
    apart = np.asarray(dominance.crowding(values, jnp.zeros(4, int)))
    assert sorted(apart.tolist()) == [0.0, 0.0, np.inf, np.inf]
