"""The Gaussian process against dense formulas and against what it is for."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from pnag_jax.methods import gaussian_process as gp
from pnag_jax.ranks import normal_scores

SLOTS, MEASURED, CANDIDATES = 12, 8, 30


@pytest.fixture(scope="module")
def problem():
    """Slots and candidates on a line, a smooth function, empty slots of nonsense."""
    generator = np.random.default_rng(0)
    x, new = np.sort(generator.random(SLOTS)) * 3, np.linspace(0, 3, CANDIDATES)
    measured = np.zeros(SLOTS, bool)
    measured[generator.permutation(SLOTS)[:MEASURED]] = True
    targets = np.where(measured, np.sin(2 * x), 0.0)
    squared = (x[:, None] - x[None]) ** 2
    squared[~measured] = 7.0
    return {
        "x": x,
        "new": new,
        "measured": jnp.asarray(measured),
        "targets": jnp.asarray(targets, jnp.float32),
        "squared": jnp.asarray(squared, jnp.float32),
        "cross": jnp.asarray((new[:, None] - x[None]) ** 2, jnp.float32),
    }


@pytest.fixture(scope="module")
def posterior(problem) -> gp.Posterior:
    return jax.jit(gp.fit)(problem["squared"][None], problem["targets"], problem["measured"])


def dense(problem, posterior):
    """Mean and variance by the textbook, measured slots only."""
    keep = np.asarray(problem["measured"])
    x, y = problem["x"][keep], np.asarray(problem["targets"])[keep].astype(float)

    def kernel(a, b):
        r = np.sqrt(3) * np.abs(a[:, None] - b[None]) / float(posterior.length)
        return (1 + r) * np.exp(-r)

    inverse = np.linalg.inv(kernel(x, x) + float(posterior.noise) * np.eye(len(x)))
    cross = kernel(problem["new"], x)
    return cross @ inverse @ y, 1 - np.einsum("ij,jk,ik->i", cross, inverse, cross)


def test_prediction_is_that_of_the_dense_formula(problem, posterior):
    prediction = gp.predict(posterior, problem["cross"])
    mean, variance = dense(problem, posterior)
    np.testing.assert_allclose(prediction.mean, mean, atol=2e-3)
    np.testing.assert_allclose(prediction.variance, variance, atol=2e-3)


def test_the_fit_has_the_highest_likelihood_of_the_grid(problem, posterior):
    keep = np.asarray(problem["measured"])
    y = np.asarray(problem["targets"], float)[keep]
    squared = np.asarray(problem["squared"], float)[np.ix_(keep, keep)]

    def likelihood(length, noise):
        r = np.sqrt(3 * squared) / length
        covariance = (1 + r) * np.exp(-r) + noise * np.eye(len(y))
        variance = y @ np.linalg.solve(covariance, y) / len(y)
        return stats.multivariate_normal.logpdf(y, cov=variance * covariance), variance

    points = [(length, noise) for length in gp.LENGTHS for noise in gp.NOISES]
    best = max(points, key=lambda point: likelihood(*point)[0])
    np.testing.assert_allclose((posterior.length, posterior.noise), best, rtol=1e-6)
    np.testing.assert_allclose(posterior.variance, likelihood(*best)[1], rtol=1e-2)


def test_expected_improvement_by_hand():
    one = jnp.ones(())
    posterior = gp.Posterior(
        one, one, one, one, one, jnp.float32(4.0), jnp.float32(1.0), jnp.int32(0)
    )
    prediction = gp.Prediction(jnp.array([1.0, 3.0, -9.0]), jnp.array([0.25, 0.0, 0.25]), one)
    found = gp.expected_improvement(posterior, prediction)
    # A deviation of 1 around the best; certainly 2 better; hopeless.
    np.testing.assert_allclose(found, [1 / np.sqrt(2 * np.pi), 2.0, 0.0], atol=1e-4)


@pytest.mark.parametrize(
    ("mean", "allowed", "factor"),
    [
        ([0.0, -9.0], [True, True], 1),  # promises 0.4 as it is
        ([-3.0, -9.0], [True, True], 2),  # 0.0004, then 0.06
        ([0.0, -3.0], [False, True], 2),  # what is not allowed promises nothing
        ([-90.0, -90.0], [True, True], 8),
    ],
)
def test_a_process_that_expects_nothing_is_doubted(mean, allowed, factor):
    one = jnp.ones(())
    posterior = gp.Posterior(
        one, one, one, one, one, jnp.float32(1.0), jnp.float32(0.0), jnp.int32(0)
    )
    prediction = gp.Prediction(jnp.array(mean), jnp.ones(2), one)
    doubted = gp.doubt(posterior, prediction, jnp.array(allowed), 0.03)
    assert doubted.variance == factor**2
    assert doubted._replace(variance=posterior.variance) == posterior


def test_normal_scores_of_ties_and_empty_slots():
    values = jnp.array([5.0, -jnp.inf, 5.0, 1.0, 8.0])
    measured = jnp.array([True, False, True, True, True])
    expected = stats.norm.ppf([0.5, 0.5, 0.125, 0.875])
    found = np.asarray(normal_scores(values, measured))
    np.testing.assert_allclose(found[[0, 2, 3, 4]], expected, atol=1e-5)
    assert found[1] == 0
    assert np.isfinite(normal_scores(values, jnp.zeros(5, bool))).all()


def test_a_batch_spreads(problem, posterior):
    prediction = gp.predict(posterior, problem["cross"])
    new = jnp.asarray(problem["new"], jnp.float32)
    allowed = jnp.arange(CANDIDATES) != 3
    chosen = np.asarray(gp.choose(posterior, prediction, lambda i: (new - new[i]) ** 2, allowed, 4))
    value = gp.expected_improvement(posterior, prediction)
    assert chosen[0] == np.argmax(np.where(allowed, value, -1))
    assert len(set(chosen.tolist())) == 4 and 3 not in chosen
    greedy = np.argsort(-np.asarray(value))[:4]
    assert np.ptp(problem["new"][chosen]) >= np.ptp(problem["new"][greedy])


def test_copies_of_a_choice_are_not_chosen(problem, posterior):
    cross = jnp.repeat(problem["cross"][:10], 3, axis=0)
    new = jnp.repeat(jnp.asarray(problem["new"][:10], jnp.float32), 3)
    prediction = gp.predict(posterior, cross)
    everything = jnp.ones(30, bool)
    chosen = gp.choose(posterior, prediction, lambda i: (new - new[i]) ** 2, everything, 6)
    assert len({int(i) // 3 for i in chosen}) == 6


def test_nothing_measured_is_finite():
    posterior = gp.fit(jnp.zeros((1, 4, 4)), jnp.zeros(4), jnp.zeros(4, bool))
    prediction = gp.predict(posterior, jnp.ones((3, 4)))
    np.testing.assert_allclose(prediction.mean, 0)
    np.testing.assert_allclose(prediction.variance, 1)


def test_the_view_that_explains_more_counts(problem, posterior):
    # In the other view slots are where chance puts them.
    x = np.random.default_rng(1).random(SLOTS)
    chance = jnp.asarray((x[:, None] - x[None]) ** 2, jnp.float32)
    for view, squared in enumerate([[problem["squared"], chance], [chance, problem["squared"]]]):
        found = gp.fit(jnp.stack(squared), problem["targets"], problem["measured"])
        assert found.view == view and found.length == posterior.length
