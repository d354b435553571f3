"""Automatic relevance determination: how much each group of features counts.

The squared distance of two architectures is a weighted sum over groups of
features.  Weights and noise are those of highest posterior density: a Gaussian
process' marginal likelihood times a prior that has all groups count alike, so
that few measurements change little.  A few steps of Adam a round suffice, each
round starting where the one before ended.

Rasmussen and Williams, "Gaussian Processes for Machine Learning", 2006,
section 5.4.  Letters: ``G`` groups, ``C`` slots of measurements.
"""

from __future__ import annotations

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax

from pnag_jax.methods import gaussian_process as gp
from pnag_jax.methods.gaussian_process import Posterior

# Of Adam, a round.
STEPS = 4
_RATE = 0.2
# Noise over variance is never less: ranks of scores are not exact.
_LEAST_NOISE = 0.01
# Standard deviation of a weight's raw value, a priori.
_SPREAD = 0.7
# Mean and standard deviation of the noise's raw value, a priori.
_NOISE = (-2.0, 2.0)
# The gradient of a distance of 0 is finite at this one.
_LEAST_DISTANCE = 1e-8


@flax.struct.dataclass
class Relevance:
    """Unconstrained parameters; softplus makes them positive.

    Attributes:
      raw_weights: ``[G]``.
      raw_noise: scalar.
    """

    raw_weights: jax.Array
    raw_noise: jax.Array

    def weights(self) -> jax.Array:
        """Of the groups' squared distances, in squared length scales: ``[G]``."""
        return jax.nn.softplus(self.raw_weights)

    def noise(self) -> jax.Array:
        """Over the variance of the process."""
        return _LEAST_NOISE + jax.nn.softplus(self.raw_noise)


def usual(groups: int) -> Relevance:
    """The mode of the prior: all groups alike, a length scale of 1."""
    raw = np.log(np.expm1(1 / groups))
    return Relevance(jnp.full(groups, raw, jnp.float32), jnp.float32(_NOISE[0]))


def fit(
    squared: jax.Array, targets: jax.Array, measured: jax.Array, start: Relevance
) -> tuple[Posterior, Relevance]:
    """``STEPS`` steps toward the highest posterior density.

    Args:
      squared: distances between slots in each group, ``[G, C, C]``.
      targets: ``[C]``, 0 in empty slots.
      measured: bool ``[C]``.
      start: where the steps begin.

    Returns:
      The process at the end, over the weighted sum of the distances, and where
      the steps ended.
    """
    middle = usual(len(squared))

    def process(relevance: Relevance) -> tuple[jax.Array, Posterior]:
        apart = jnp.einsum("g,gij->ij", relevance.weights(), squared) + _LEAST_DISTANCE
        correlated = gp.correlation(apart, measured, 1.0)
        return gp.condition(correlated, targets, measured, 1.0, relevance.noise())

    def loss(relevance: Relevance) -> jax.Array:
        likelihood, _ = process(relevance)
        surprise = ((relevance.raw_weights - middle.raw_weights) ** 2).sum() / (2 * _SPREAD**2)
        surprise += (relevance.raw_noise - _NOISE[0]) ** 2 / (2 * _NOISE[1] ** 2)
        return surprise - likelihood

    optimizer = optax.adam(_RATE)

    def step(carry: tuple, _: None) -> tuple[tuple, None]:
        relevance, moments = carry
        updates, moments = optimizer.update(jax.grad(loss)(relevance), moments)
        return (optax.apply_updates(relevance, updates), moments), None

    (learned, _), _ = jax.lax.scan(step, (start, optimizer.init(start)), None, length=STEPS)
    return process(learned)[1], learned
