"""Weighted counts: who weighs what, and that a restricted space is kept to."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax import methods, spaces
from pnag_jax.methods import path_process, pnag_counts

COUNTS = methods.get("pnag_counts")
CONFIG = {"budget": 40, "pool": 200, "candidates": 64}


@pytest.fixture(scope="module")
def state(macro, hill):
    drawn = macro.sample(jax.random.key(1), 40)
    return COUNTS.tell(COUNTS.init(jax.random.key(0), macro, CONFIG), drawn, hill(drawn))


def test_weights_are_shares_and_lean_to_the_better(state, macro, hill):
    found = pnag_counts.weights(
        jax.random.key(2),
        state,
        path_process.fit(macro, state.features, state.targets(), state.measured()),
    )
    generator, floor = state.generator, state.settings.floor
    assert found.shape == (len(generator.genotypes),)
    assert float(found.sum()) == pytest.approx(1, rel=1e-5)
    least = floor / len(generator.genotypes)
    assert float(found.min()) == pytest.approx(least)
    # Only what was pooled has more than the floor.
    assert (np.asarray(found) > least * 1.01).sum() <= state.settings.pool
    heights = np.asarray(hill(generator.genotypes))
    assert np.asarray(found) @ heights > heights.mean() + 0.5


def test_shares_are_a_distribution_that_favours_the_highest_values():
    value, rows = jnp.array([0.0, 3.0, 1.0]), jnp.array([4, 0, 2])
    found = pnag_counts.shares(value, rows, 5, focus=1.0, floor=0.2)
    assert float(found.sum()) == pytest.approx(1.0)
    assert np.argsort(-np.asarray(found))[:3].tolist() == [0, 2, 4]
    np.testing.assert_allclose(found[jnp.array([1, 3])], 0.04, rtol=1e-5)


def test_a_search_of_a_part_is_made_with_the_generator_of_the_whole(macro):
    part = spaces.restrict(macro, macro.sample(jax.random.key(5), 90))
    state = COUNTS.init(jax.random.key(0), part, CONFIG)
    assert state.generator is pnag_counts.default_generator(macro)
    asked, _ = COUNTS.ask(state, 4)
    assert bool(part.is_valid(asked).all())
