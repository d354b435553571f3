"""What searches with a surrogate share, by the one with a Gaussian process."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from pnag_jax import methods
from pnag_jax.methods import path_features, surrogate

GP = methods.get("gp")


def told(macro, hill, count):
    state = GP.init(jax.random.key(0), macro, {"budget": 40, "parents": 3, "mutations": 5})
    drawn = macro.sample(jax.random.key(1), count)
    return GP.tell(state, drawn, hill(drawn))


def test_mutations_are_of_the_best(macro, hill):
    state = told(macro, hill, 20)
    pool = 100
    rated = np.asarray(surrogate.candidates(jax.random.key(2), state, pool))
    assert rated.shape == (pool + 15, macro.genotype_length)
    order = np.argsort(-np.asarray(state.archive.values), kind="stable")[:3]
    parents = np.repeat(np.asarray(state.archive.genotypes)[order], 5, axis=0)
    assert ((rated[pool:] != parents).sum(axis=1) == 1).all()


def test_before_anything_is_measured_all_that_is_rated_is_valid(macro, hill):
    state = GP.init(jax.random.key(0), macro, {"budget": 8})
    assert bool(macro.is_valid(surrogate.candidates(jax.random.key(0), state, 50)).all())


def test_features_stand_beside_what_they_are_of(macro, hill):
    state = told(macro, hill, 12)
    count = int(state.archive.count)
    keys = state.archive.keys[:count]
    np.testing.assert_array_equal(state.features[:count], path_features.embed(macro, keys))
    assert not np.asarray(state.features[count:]).any()


def test_uniform_draws_come_first(macro, hill, jitted):
    ask, _ = jitted(GP)
    state = GP.init(jax.random.key(0), macro, {"budget": 40, "initial": 40})
    guided = told(macro, hill, 20)
    one, _ = ask(dataclasses.replace(guided, settings=state.settings), 4)
    other_values = dataclasses.replace(
        guided.archive, values=jnp.where(guided.archive.measured(), 1.0, -jnp.inf)
    )
    other, _ = ask(dataclasses.replace(guided, settings=state.settings, archive=other_values), 4)
    np.testing.assert_array_equal(one, other)  # scores do not matter yet
