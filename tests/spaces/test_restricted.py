"""A part of a space: what stands for what, and that it is a space."""

from __future__ import annotations

import hypothesis
import hypothesis.extra.numpy
import hypothesis.strategies as st
import jax
import numpy as np
import pytest

from pnag_jax import spaces

# In the space macro every genotype but its identities' places is its own form.
HELD = [[1] * 8, [2] * 8, [1, 1, 1, 1, 2, 2, 2, 2], [2, 1, 1, 1, 1, 1, 1, 1]]


@pytest.fixture(scope="module")
def part() -> spaces.Restricted:
    return spaces.restrict(spaces.get("macro"), HELD)


def test_the_nearest_has_the_fewest_other_genes(part):
    made_up = [[1, 1, 1, 1, 1, 1, 1, 2], [2, 2, 2, 2, 2, 2, 2, 1], [1, 1, 1, 2, 2, 2, 2, 2]]
    expected = [[1] * 8, [2] * 8, [1, 1, 1, 1, 2, 2, 2, 2]]
    assert part.nearest(np.array(made_up)).tolist() == expected


def test_what_is_held_is_its_own_nearest(part):
    assert part.nearest(np.array(HELD)).tolist() == HELD


def test_neighbours_are_the_nearest_others(part):
    # At 1, 4 and 8 other genes; the space's own number of neighbours would be 16.
    assert part.neighbours(np.array(HELD[0])).tolist() == [HELD[3], HELD[2], HELD[1]]


def test_a_mutation_is_another_one(part):
    keys = jax.random.split(jax.random.key(0), 64)
    children = np.asarray(jax.vmap(lambda key: part.mutate(key, np.array(HELD[0])))(keys))
    assert {tuple(child) for child in children} <= {tuple(row) for row in HELD[1:]}
    assert (part.mutate(keys[0], np.array(HELD)) != np.array(HELD)).any(axis=-1).all()


def test_draws_are_uniform_over_what_is_held(part):
    drawn = np.asarray(part.sample(jax.random.key(0), 4000))
    counts = [(drawn == row).all(axis=1).sum() for row in HELD]
    assert sum(counts) == 4000 and min(counts) > 900


def test_isomorphic_ones_are_one_and_both_valid():
    nb201 = spaces.get("nb201")
    # The same convolution over either node.
    pair = np.array([[3, 0, 0, 0, 1, 0], [0, 3, 0, 0, 0, 1]])
    assert (np.diff(nb201.canonical(pair), axis=0) == 0).all()
    part = spaces.restrict(nb201, pair)
    assert part.size == 1 and part.is_valid(pair).all()
    assert part.sample(jax.random.key(0), 3).tolist() == [pair[0].tolist()] * 3


def test_only_what_is_held_is_valid(part):
    assert part.is_valid(np.array(HELD)).all()
    assert not part.is_valid(np.array([[1, 1, 1, 1, 1, 1, 1, 2], [-1] * 8])).any()


@hypothesis.given(
    hypothesis.extra.numpy.arrays(np.int32, (5, 8), elements=st.integers(0, 2)),
    st.integers(0, 2**31 - 1),
)
@hypothesis.settings(max_examples=20, deadline=None)
def test_whatever_is_made_up_something_valid_stands_for_it(part, genotypes, seed):
    assert part.is_valid(part.nearest(genotypes)).all()
    assert part.is_valid(part.mutate(jax.random.key(seed), genotypes)).all()
    assert part.is_valid(part.neighbours(genotypes)).all()
    jitted = jax.jit(part.nearest)(genotypes)
    np.testing.assert_array_equal(jitted, part.nearest(genotypes))


def test_decoding_gives_what_is_held(part):
    keys = jax.random.split(jax.random.key(0))
    ops = jax.random.normal(keys[0], (6, part.num_nodes, part.num_ops))
    edges = jax.random.normal(keys[1], (6, part.num_nodes, part.num_nodes))
    assert part.is_valid(part.from_graph(ops, edges)).all()


def test_parts_are_told_apart_by_what_they_hold(part):
    same, other = (spaces.restrict(part.whole, rows) for rows in (HELD, HELD[:3]))
    assert part == same and hash(part) == hash(same) and part != other
    assert spaces.whole(part) is part.whole is spaces.whole(part.whole)


@pytest.mark.parametrize("genotypes", [[], [[3] * 8]])
def test_nothing_and_invalid_ones_are_refused(genotypes):
    with pytest.raises(spaces.SpaceError, match="macro: to restrict it takes valid genotypes"):
        spaces.restrict(spaces.get("macro"), genotypes)
