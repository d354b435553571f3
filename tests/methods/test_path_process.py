"""The process of a search: the view that tells something, and what it asks for."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax import methods
from pnag_jax.methods import path_features, path_process

GP = methods.get("gp")


@pytest.fixture(scope="module")
def state(macro, hill):
    drawn = macro.sample(jax.random.key(1), 60)
    return GP.tell(GP.init(jax.random.key(0), macro, {"budget": 60}), drawn, hill(drawn))


@pytest.fixture(scope="module")
def posterior(state):
    return path_process.fit(state.features, state.targets(), state.measured())


def test_where_genes_are_everything_kinds_of_paths_are_left_out(posterior):
    assert posterior.view == 0


def test_it_ranks_what_it_has_not_seen(posterior, state, macro, hill):
    drawn = macro.canonical(macro.sample(jax.random.key(2), 300))
    prediction = path_process.predict(posterior, state.features, path_features.embed(macro, drawn))
    assert np.corrcoef(prediction.mean, hill(drawn))[0, 1] > 0.7


def test_what_is_not_allowed_is_not_chosen(posterior, state, macro):
    drawn = macro.canonical(macro.sample(jax.random.key(3), 50))
    features = path_features.embed(macro, drawn)
    first = path_process.choose(posterior, state.features, features, jnp.ones(50, bool), 3)
    allowed = jnp.ones(50, bool).at[first].set(False)
    second = path_process.choose(posterior, state.features, features, allowed, 3)
    assert not set(np.asarray(first).tolist()) & set(np.asarray(second).tolist())
