"""Ranks of measurements, for scores of any unit.  Letters: ``C`` slots, some of them empty."""

from __future__ import annotations

import jax
import jax.numpy as jnp


@jax.jit
def normal_scores(values: jax.Array, measured: jax.Array) -> jax.Array:
    """Standard normal quantiles of the values' ranks, 0 in empty slots: ``[C]``.

    Equal values share their mean rank.

    >>> scores = normal_scores(jnp.array([3.0, 9.0, 0.0]), jnp.array([True, True, False]))
    >>> [round(float(score), 2) for score in scores]
    [-0.67, 0.67, 0.0]
    """
    count = jnp.maximum(measured.sum(), 1)
    values = jnp.where(measured, values, -jnp.inf)
    above = (values[None, :] > values[:, None]).sum(axis=1)
    equal = (values[None, :] == values[:, None]).sum(axis=1)
    share = (count - above - 0.5 * equal) / count
    return jnp.where(measured, jax.scipy.special.ndtri(jnp.clip(share, 1e-6, 1 - 1e-6)), 0.0)
