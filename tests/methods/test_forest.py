"""The random forest baseline: bounds by hand, what is chosen, and that it climbs."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np

from pnag_jax import methods
from pnag_jax.methods import forest
from pnag_jax.methods.forest import Settings

FOREST = methods.get("forest")


def bounds(features, targets, measured, candidates, seed=0, **fields):
    arrays = [np.asarray(x, np.float32) for x in (features, targets)]
    known, rated = np.asarray(measured), np.asarray(candidates, np.float32)
    return forest.bounds(*arrays, known, rated, np.uint32(seed), settings=Settings(**fields))


# Nine measurements of 0 and one of 1, told apart by their first feature; the
# second is the same in all, the last row is an empty slot.
FEATURES = [[0.0, 5.0]] * 9 + [[1.0, 5.0], [7.0, 7.0]]
TARGETS = [0.0] * 9 + [1.0, 99.0]
MEASURED = [True] * 10 + [False]
CANDIDATES = [[0.0, 5.0], [1.0, 5.0]]


def test_a_bound_is_the_mean_of_the_trees_and_half_their_deviation():
    mean = bounds(FEATURES, TARGETS, MEASURED, CANDIDATES, exploration=0.0)
    # A tree whose sample of ten with repeats holds the last one says 1 there,
    # another one 0: of many trees 1 - 0.9^10 = 0.651 say 1.
    np.testing.assert_allclose(mean, [0.0, 0.651], atol=0.2)
    share = mean[1]
    bound = bounds(FEATURES, TARGETS, MEASURED, CANDIDATES)
    np.testing.assert_allclose(bound, [0.0, share + 0.5 * np.sqrt(share * (1 - share))])


def test_a_forest_is_that_of_its_seed():
    find = functools.partial(bounds, FEATURES, TARGETS, MEASURED, CANDIDATES, trees=7)
    np.testing.assert_array_equal(find(seed=1), find(seed=1))
    assert len({find(seed=seed)[1] for seed in range(5)}) > 1


def test_where_nothing_differs_all_are_rated_alike():
    assert not bounds(FEATURES, TARGETS, [False] * 11, CANDIDATES).any()
    assert not bounds(FEATURES, TARGETS, [True] * 9 + [False] * 2, CANDIDATES).any()


def test_the_highest_bounds_are_chosen_and_isomorphic_ones_once(macro, hill, quick_config):
    state = FOREST.init(jax.random.key(0), macro, quick_config("forest", budget=40, trees=50))
    drawn = macro.sample(jax.random.key(1), 20)
    state = FOREST.tell(state, drawn, hill(drawn))
    # What was told is the candidates: twice, and the best one is not allowed.
    features = jnp.concatenate([state.features[:20], state.features[:20]])
    best = int(jnp.argmax(state.archive.values[:20]))
    allowed = jnp.ones(40, bool).at[jnp.array([best, best + 20])].set(False)
    chosen = np.asarray(forest.choose(jax.random.key(2), state, features, allowed, 4))
    assert chosen.dtype == np.int32 and best not in chosen % 20
    assert len(set(chosen % 20)) == 4
    values = np.asarray(state.archive.values[:20])
    assert values[chosen % 20].mean() > values.mean() + 1


def test_it_climbs_where_random_search_does_not(height_reached):
    assert max(height_reached("random", seed) for seed in range(3)) < -1
    assert min(height_reached("forest", seed) for seed in range(3)) >= -1
