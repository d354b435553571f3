"""A Gaussian process over squared distances, in arrays of fixed shapes.

Matern 3/2 covariance; length scale and noise by marginal likelihood over a
grid, the variance in closed form; expected improvement; batches by the
kriging believer (each choice counts as measured at its mean before the next).

Rasmussen and Williams, "Gaussian Processes for Machine Learning", 2006,
chapters 2, 4 and 5; Ginsbourger, Le Riche and Carraro, "Kriging Is Well-Suited
to Parallelize Optimization", 2010.  Letters: ``C`` slots of measurements, of
which some are empty, ``m`` candidates.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

# Distances are expected to be 1 on average over the space.
LENGTHS = (0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 3.0, 4.0)
# Ranks of scores that training reaches by chance are never without noise.
NOISES = (0.02, 0.1, 0.3)
# How many times too small a standard deviation may be thought to be.
DOUBTS = (1.0, 2.0, 4.0, 8.0)
_LEAST_VARIANCE = 1e-9


class Posterior(NamedTuple):
    """A fitted process.

    Attributes:
      factor: ``[C, C]``, lower Cholesky factor of the covariance over variance.
      whitened: ``[C]``, the factor's inverse times the targets.
      measured: bool ``[C]``.
      length: scalar.
      noise: scalar, over variance.
      variance: scalar, of the process.
      best: scalar, the highest target.
      view: int32 scalar, which of several distances it is over.
    """

    factor: jax.Array
    whitened: jax.Array
    measured: jax.Array
    length: jax.Array
    noise: jax.Array
    variance: jax.Array
    best: jax.Array
    view: jax.Array


class Prediction(NamedTuple):
    """Values of candidates without noise.

    Attributes:
      mean: ``[m]``.
      variance: ``[m]``, over that of the process.
      explained: ``[C, m]``, the covariance that is explained is the product
        of two columns.
    """

    mean: jax.Array
    variance: jax.Array
    explained: jax.Array


def matern(squared: jax.Array, length: jax.Array | float) -> jax.Array:
    """Matern 3/2 correlation of squared distances."""
    r = jnp.sqrt(3 * jnp.maximum(squared, 0.0)) / length
    return (1 + r) * jnp.exp(-r)


def correlation(squared: jax.Array, measured: jax.Array, length: jax.Array | float) -> jax.Array:
    """Between slots, by their distances ``[C, C]``; 0 where one is empty (bool ``[C]``)."""
    pairs = measured[:, None] & measured[None, :]
    return jnp.where(pairs, matern(squared, length), 0.0)


def condition(
    correlated: jax.Array,
    targets: jax.Array,
    measured: jax.Array,
    length: jax.Array | float,
    noise: jax.Array | float,
) -> tuple[jax.Array, Posterior]:
    """The process of given length scale and noise, and its log marginal likelihood.

    Args:
      correlated: ``correlation`` of the slots at that length, ``[C, C]``.
      targets: ``[C]``, 0 in empty slots.
      measured: bool ``[C]``.
      length: scalar.
      noise: scalar, over the variance; that is the likeliest one.

    Returns:
      The likelihood but for a constant, and the process, of view 0.
    """
    count = jnp.maximum(measured.sum(), 1)
    # An empty slot is a row of the identity: it says nothing.
    diagonal = jnp.where(measured, noise, 1.0)
    factor = jnp.linalg.cholesky(correlated + jnp.diag(diagonal))
    whitened = jax.scipy.linalg.solve_triangular(factor, targets, lower=True)
    variance = jnp.maximum((whitened**2).sum() / count, 1e-6)
    likelihood = -jnp.log(jnp.diag(factor)).sum() - 0.5 * count * jnp.log(variance)
    best = jnp.where(measured, targets, -jnp.inf).max()
    scalars = (jnp.asarray(length), jnp.asarray(noise), variance, best, jnp.int32(0))
    return likelihood, Posterior(factor, whitened, measured, *scalars)


@jax.jit
def fit(squared: jax.Array, targets: jax.Array, measured: jax.Array) -> Posterior:
    """The process of highest marginal likelihood on the grid.

    Args:
      squared: ``[W, C, C]``, distances between slots in each of ``W`` views.
      targets: ``[C]``, 0 in empty slots.
      measured: bool ``[C]``.
    """
    views = jnp.repeat(jnp.arange(len(squared), dtype=jnp.int32), len(LENGTHS))
    lengths = jnp.tile(jnp.array(LENGTHS), len(squared))
    noises = jnp.array(NOISES)

    def correlated(point: tuple[jax.Array, jax.Array]) -> jax.Array:
        view, length = point
        return correlation(squared[view], measured, length)

    def likelihoods(point: tuple[jax.Array, jax.Array]) -> jax.Array:
        known = (correlated(point), targets, measured, point[1])
        return jax.vmap(lambda noise: condition(*known, noise)[0])(noises)

    # One after the other: the whole grid of factors would not fit the caches.
    best = jnp.argmax(jax.lax.map(likelihoods, (views, lengths)))
    point = (views[best // len(NOISES)], lengths[best // len(NOISES)])
    noise = noises[best % len(NOISES)]
    _, posterior = condition(correlated(point), targets, measured, point[1], noise)
    return posterior._replace(view=point[0])


@jax.jit
def predict(posterior: Posterior, squared: jax.Array) -> Prediction:
    """The values at candidates, from their distances to the slots: ``[m, C]``."""
    cross = jnp.where(posterior.measured, matern(squared, posterior.length), 0.0)
    explained = jax.scipy.linalg.solve_triangular(posterior.factor, cross.T, lower=True)
    mean = posterior.whitened @ explained
    return Prediction(mean, 1.0 - (explained**2).sum(axis=0), explained)


@jax.jit
def expected_improvement(posterior: Posterior, prediction: Prediction) -> jax.Array:
    """How much each candidate is expected to exceed the best target: ``[m]``."""
    variance = posterior.variance * jnp.maximum(prediction.variance, _LEAST_VARIANCE)
    deviation = jnp.sqrt(variance)
    z = (prediction.mean - posterior.best) / deviation
    density = jnp.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
    return deviation * (z * jax.scipy.special.ndtr(z) + density)


@jax.jit
def doubt(
    posterior: Posterior, prediction: Prediction, allowed: jax.Array, least: jax.Array | float
) -> Posterior:
    """The process, less sure of itself where it expects nothing more.

    A search that stays beside the optimum measures one neighbourhood until the
    process is certain of all others.  Its standard deviation is multiplied by
    the first of ``DOUBTS`` with which some candidate promises ``least``.

    Args:
      posterior: from ``fit``.
      prediction: of the candidates.
      allowed: bool ``[m]``.
      least: expected improvement, in units of the targets.
    """

    def by(factor: jax.Array | float) -> Posterior:
        return posterior._replace(variance=posterior.variance * factor**2)

    def promises(factor: float) -> jax.Array:
        value = expected_improvement(by(factor), prediction)
        return jnp.where(allowed, value, 0.0).max() >= least

    # The last one is taken whatever it promises.
    enough = jnp.array([promises(factor) for factor in DOUBTS[:-1]] + [True])
    return by(jnp.array(DOUBTS)[jnp.argmax(enough)])


def choose(
    posterior: Posterior,
    prediction: Prediction,
    squared_to: Callable[[jax.Array], jax.Array],
    allowed: jax.Array,
    n: int,
) -> jax.Array:
    """A batch of candidates, each of the highest expected improvement given those before.

    Args:
      posterior: from ``fit``.
      prediction: of the candidates.
      squared_to: index of a candidate to its distances to all, ``[m]``; two at
        a distance of 0 are never chosen both.
      allowed: bool ``[m]``.
      n: how many; candidates that are not allowed fill up what is missing.

    Returns:
      int32 ``[n]``.
    """
    believed: list[jax.Array] = []
    chosen = []
    for _ in range(n):
        value = expected_improvement(posterior, prediction)
        index = jnp.argmax(jnp.where(allowed, value, -1.0))
        squared = squared_to(index)
        covariance = matern(squared, posterior.length)
        covariance -= prediction.explained[:, index] @ prediction.explained
        for row in believed:
            covariance -= row[index] * row
        noisy = jnp.maximum(prediction.variance[index], 0.0) + posterior.noise
        row = covariance / jnp.sqrt(noisy)
        believed.append(row)
        prediction = prediction._replace(variance=prediction.variance - row**2)
        allowed &= squared > 0
        chosen.append(index)
    return jnp.stack(chosen).astype(jnp.int32)
