"""Weights of groups: that the density rises, and that what tells nothing fades."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax.methods import gaussian_process as gp
from pnag_jax.methods import relevance

SLOTS, MEASURED = 24, 20


@pytest.fixture(scope="module")
def problem():
    """A smooth function of the first of two features, and a few empty slots."""
    random = np.random.default_rng(0)
    features = random.random((2, SLOTS)) * 2
    measured = np.arange(SLOTS) < MEASURED
    targets = np.where(measured, np.sin(2 * features[0]), 0.0)
    squared = (features[:, :, None] - features[:, None]) ** 2
    return tuple(jnp.asarray(x) for x in (squared.astype(np.float32), targets, measured))


def test_at_first_groups_count_alike():
    usual = relevance.usual(4)
    np.testing.assert_allclose(usual.weights(), 0.25, rtol=1e-6)
    assert float(usual.noise()) == pytest.approx(0.01 + np.log1p(np.exp(-2)), rel=1e-5)


def test_the_group_that_tells_something_comes_to_count_more(problem):
    fit = jax.jit(relevance.fit)
    learned = relevance.usual(2)
    likelihoods = []
    for _ in range(12):
        apart = jnp.einsum("g,gij->ij", learned.weights(), problem[0])
        correlated = gp.correlation(apart, problem[2], 1.0)
        found, _ = gp.condition(correlated, *problem[1:], 1.0, learned.noise())
        likelihoods.append(float(found))
        _, learned = fit(*problem, learned)
    assert likelihoods[-1] > likelihoods[0] + 5
    told, nothing = learned.weights()
    assert told > 3 * nothing


def test_without_measurements_the_prior_stays(problem):
    nothing = jnp.zeros(SLOTS, bool)
    posterior, learned = relevance.fit(problem[0], 0 * problem[1], nothing, relevance.usual(2))
    np.testing.assert_allclose(learned.weights(), relevance.usual(2).weights(), atol=1e-6)
    assert np.isfinite(posterior.factor).all()


def test_copies_leave_the_gradient_finite(problem):
    squared, targets, measured = problem
    same = jnp.zeros_like(squared)
    _, learned = relevance.fit(same, targets, measured, relevance.usual(2))
    assert np.isfinite(learned.weights()).all()
