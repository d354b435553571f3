"""Several objectives as one number, for each of many preferences.

A preference is a vector of positive weights, one an objective: the larger, the
more of that objective is wanted.  Letters: ``M`` objectives, all to be
maximised, ``D`` preferences.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

# How far a preference's weights are spread, as a factor: exp of this.
SPREAD = 0.35
_LEAST_WEIGHT = 1e-3


def chebyshev(
    values: ArrayLike, ideal: ArrayLike, weights: ArrayLike, rho: float = 0.05
) -> jax.Array:
    """Augmented Chebyshev scalarization: ``[..., M] -> [...]``, to be maximised.

    ``-(max_m w_m d_m + rho sum_m w_m d_m)`` with ``d = ideal - values``.  With
    ``rho`` above 0 the best point is never one that another dominates.
    Steuer and Choo, "An Interactive Weighted Tchebycheff Procedure for Multiple
    Objective Programming", Mathematical Programming, 1983.

    >>> float(chebyshev(jnp.array([0.5, 1.0]), jnp.ones(2), jnp.array([0.5, 0.5]), rho=0.0))
    -0.25
    """
    distance = jnp.asarray(weights) * (jnp.asarray(ideal) - jnp.asarray(values))
    return -(distance.max(-1) + rho * distance.sum(-1))


def reach(values: jax.Array, directions: jax.Array) -> jax.Array:
    """How far points dominate along rays from the origin, to the ``M``-th power.

    The mean over uniformly drawn directions of the highest of a set of points,
    times ``volume_factor``, is the volume that the set dominates above the
    origin.  Zhang and Golovin, "Random Hypervolume Scalarizations for Provable
    Multi-Objective Black Box Optimization", ICML 2020, lemma 5.

    Args:
      values: ``[..., M]``, measured from the reference point.
      directions: ``[D, M]``, positive unit vectors.

    Returns:
      ``[..., D]``, 0 for a point that is not better than the origin in all
      objectives.
    """
    ratio = values[..., 0, None] / directions[:, 0]
    for m in range(1, values.shape[-1]):  # few: no array [..., D, M]
        ratio = jnp.minimum(ratio, values[..., m, None] / directions[:, m])
    return jnp.maximum(ratio, 0.0) ** values.shape[-1]


def volume_factor(objectives: int) -> float:
    """Volume of the unit ball's positive orthant, of which ``reach`` measures shares."""
    return math.pi ** (objectives / 2) / (2**objectives * math.gamma(objectives / 2 + 1))


def directions(
    key: jax.Array, count: int, preference: jax.Array | None, objectives: int
) -> jax.Array:
    """Positive unit vectors: ``[count, M]``.

    Args:
      key: consumed.
      count: ``D``.
      preference: ``[M]``, around which they are drawn; None for all of the
        positive orthant, uniformly.
      objectives: ``M``.
    """
    if preference is None:
        drawn = jnp.abs(jax.random.normal(key, (count, objectives)))
    else:
        spread = SPREAD * jax.random.normal(key, (count, objectives))
        drawn = preference / jnp.linalg.norm(preference) * jnp.exp(spread)
    drawn = jnp.maximum(drawn / jnp.linalg.norm(drawn, axis=1, keepdims=True), _LEAST_WEIGHT)
    return drawn / jnp.linalg.norm(drawn, axis=1, keepdims=True)
