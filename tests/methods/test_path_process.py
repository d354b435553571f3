"""The process of a search: the features that tell something, and what it asks for."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax import methods
from pnag_jax.methods import path_features, path_process, relevance

GP = methods.get("gp")


@pytest.fixture(scope="module")
def state(macro, hill):
    drawn = macro.sample(jax.random.key(1), 60)
    return GP.tell(GP.init(jax.random.key(0), macro, {"budget": 60}), drawn, hill(drawn))


def measurements(macro, state):
    return macro, state.features, state.targets(), state.measured()


@pytest.fixture(scope="module", params=["views", "learned"])
def fitted(request, state, macro) -> path_process.Fitted:
    known = measurements(macro, state)
    if request.param == "views":
        return path_process.fit(*known)
    start = relevance.usual(len(path_features.GROUPS))
    return path_process.learn(*known, start)[0]


def test_where_genes_are_everything_kinds_of_paths_are_left_out(state, macro):
    found = path_process.fit(*measurements(macro, state))
    assert found.posterior.view == 0
    group_of = path_features.group_of(macro)
    np.testing.assert_allclose(np.square(found.scale), path_process.VIEWS[0][group_of], rtol=1e-6)


def test_where_genes_are_everything_they_are_learned_to_count_most(state, macro):
    learned = relevance.usual(len(path_features.GROUPS))
    for _ in range(15):
        _, learned = path_process.learn(*measurements(macro, state), learned)
    weights = dict(zip(path_features.GROUPS, np.asarray(learned.weights()), strict=True))
    assert max(weights, key=weights.get) == "genes"


def test_nothing_lucky_is_to_be_improved_on(state, macro):
    start = relevance.usual(len(path_features.GROUPS))
    found, _ = path_process.learn(*measurements(macro, state), start)
    expected = found.predict(state.features, state.features).mean
    assert found.posterior.best == pytest.approx(float(expected.max()))
    assert found.posterior.best < state.targets().max()


def test_it_ranks_what_it_has_not_seen(fitted, state, macro, hill):
    drawn = macro.canonical(macro.sample(jax.random.key(2), 300))
    prediction = fitted.predict(state.features, path_features.embed(macro, drawn))
    assert np.corrcoef(prediction.mean, hill(drawn))[0, 1] > 0.7


def test_what_is_not_allowed_is_not_chosen(fitted, state, macro):
    drawn = macro.canonical(macro.sample(jax.random.key(3), 50))
    features = path_features.embed(macro, drawn)
    first = path_process.choose(fitted, state.features, features, jnp.ones(50, bool), 3)
    allowed = jnp.ones(50, bool).at[first].set(False)
    second = path_process.choose(fitted, state.features, features, allowed, 3)
    assert not set(np.asarray(first).tolist()) & set(np.asarray(second).tolist())
