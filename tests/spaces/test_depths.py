"""Depths of a few layers, worked out by hand and against all possible ones."""

from __future__ import annotations

import itertools

import hypothesis
import hypothesis.extra.numpy
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np

from pnag_jax.spaces import depths

SCORES = hypothesis.extra.numpy.arrays(
    np.float32, (2, 5), elements=st.integers(-8, 8).map(np.float32)
)


def test_layers_up_to_the_depth_are_there():
    assert depths.active(jnp.array([0, 3]), 4).tolist() == [[False] * 4, [True] * 3 + [False]]


def test_the_last_layer_decides_whatever_is_missing_before():
    there = jnp.array([[1, 0, 1, 0], [0, 0, 0, 0], [1, 1, 1, 1]], bool)
    assert depths.last(there, 2).tolist() == [3, 2, 4]


@hypothesis.settings(max_examples=60, deadline=None)
@hypothesis.given(scores=SCORES, least=st.integers(1, 3), more=st.integers(0, 2))
def test_the_best_depth_is_that_of_the_largest_sum(scores, least, more):
    present, absent = scores
    sums = {
        depth: present[:depth].sum() + absent[depth:].sum()
        for depth in range(least, least + more + 1)
    }
    found = int(depths.best(jnp.asarray(present), jnp.asarray(absent), least, least + more))
    assert sums[found] == max(sums.values())


def test_layers_that_agree_are_not_overruled_by_rounding():
    huge = jnp.array([1e38, 1.0, -1.0, -1e38])
    assert int(depths.best(huge, jnp.zeros(4), 1)) == 2
    assert jax.jit(depths.best, static_argnums=2)(huge, jnp.zeros(4), 1) == 2
    # Out of the allowed range they do not decide.
    assert int(depths.best(huge, jnp.zeros(4), 3)) == 3


def test_every_row_has_its_own_range():
    present = jnp.tile(jnp.array([1.0, 1.0, 1.0, 1.0]), (2, 1))
    found = depths.best(present, jnp.zeros((2, 4)), jnp.array([1, 2]), jnp.array([2, 3]))
    assert found.tolist() == [2, 3]


def test_the_last_layer_is_repeated():
    layers = jnp.array([[1, 2], [3, 4], [0, 0], [0, 0]])
    assert depths.repeat_last(layers, jnp.array(2)).tolist() == [[1, 2], [3, 4], [3, 4], [3, 4]]


def test_layers_are_spread_over_the_depth():
    layers = jnp.arange(8)[:, None]
    for depth, count in itertools.product(range(1, 9), range(1, 9)):
        if count > depth:
            continue
        found = depths.spread(layers, jnp.array(depth), jnp.array(count))[:count, 0].tolist()
        assert len(set(found)) == count and sorted(found) == found and found[-1] < depth
        assert count < depth or found == list(range(depth))
    assert depths.spread(layers, jnp.array(7), jnp.array(1))[0, 0] == 3
