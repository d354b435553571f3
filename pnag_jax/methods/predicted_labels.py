"""Labels for architectures that were not measured, from those that were.

A network that is trained on a few hundred labels learns them by heart.  The
Gaussian process of the searches (``path_process``) spreads them over all
architectures of a generator first, so that the next-scale prior has as many
labels as architectures.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from pnag_jax.errors import UsageError
from pnag_jax.generation import Generator
from pnag_jax.methods import path_process
from pnag_jax.ranks import normal_scores
from pnag_jax.spaces import Space

# Architectures that are predicted in one call: bounds memory.
_BATCH = 2048


class Predicted(NamedTuple):
    """Normal scores of architectures: mean and variance, the noise included; ``[M]`` each."""

    mean: ArrayLike
    variance: ArrayLike


def predict(generator: Generator, values: ArrayLike) -> np.ndarray:
    """Expected normal scores of all architectures, the measured ones included.

    Args:
      generator: its ``M`` architectures are predicted.
      values: ``[M]``, NaN where not measured; a few thousand measurements at
        most, since the cost grows with their cube.

    Returns:
      float32 ``[M]``: ranks count, as for ``prior.train``, not units.

    Raises:
      UsageError: fewer than two measurements, or another number of rows.
    """
    return np.asarray(
        scores(generator.model.space, path_process.trained_on(generator), values).mean
    )


def expected_quantiles(
    key: jax.Array,
    space: Space,
    features: np.ndarray,
    values: ArrayLike,
    *,
    each: int = 1000,
    parts: int = 2,
) -> np.ndarray:
    """The quantile among all measurements that each architecture is expected to have.

    Measurements are noisy: what stands at the 0.99 quantile was lucky, and
    another measurement would be nearer to the middle.  Told these expectations
    a prior learns what lasts.  With a score ``z`` of mean ``m`` and variance
    ``v`` the expectation of its normal distribution function is that of
    ``m / sqrt(1 + v)``.

    Args:
      key: consumed; chooses measurements where there are many.
      space: that the architectures are of.
      features: ``[M, E]``, of the architectures, see ``path_process``.
      values: ``[M]``, NaN where not measured; any number.
      each: measurements that one process is fitted to.
      parts: processes at most, over distinct measurements; their means count.

    Returns:
      float32 ``[M]`` in [0, 1].

    Raises:
      UsageError: as ``predict``.
    """
    values = np.asarray(values, np.float32)
    rows = np.flatnonzero(~np.isnan(values))
    rows = rows[np.asarray(jax.random.permutation(key, len(rows)))]
    found = []
    for i in range(min(parts, max(1, len(rows) // each))):
        part = np.full_like(values, np.nan)
        chosen = rows[i * each : (i + 1) * each]
        part[chosen] = values[chosen]
        mean, variance = scores(space, features, part)
        found.append(np.asarray(mean) / np.sqrt(1 + np.asarray(variance)))
    return np.asarray(jax.scipy.stats.norm.cdf(np.mean(found, axis=0)), np.float32)


def scores(space: Space, features: np.ndarray, values: ArrayLike) -> Predicted:
    """As ``predict``, with variances, of architectures by their features ``[M, E]``."""
    values = np.asarray(values, np.float32)
    rows = np.flatnonzero(~np.isnan(values))
    if values.shape != (len(features),) or len(rows) < 2:
        raise UsageError(
            f"values: {len(rows)} measurements in an array of shape {values.shape}; accepted are"
            f" 2 and more in one of shape {(len(features),)}"
        )
    known = jnp.asarray(features[rows])
    measured = jnp.ones(len(rows), bool)
    targets = normal_scores(jnp.asarray(values[rows]), measured)
    fitted = path_process.fit(space, known, targets, measured)

    @jax.jit
    def predicted(batch: jax.Array) -> Predicted:
        found, process = fitted.predict(known, batch), fitted.posterior
        variance = process.variance * (jnp.maximum(found.variance, 0.0) + process.noise)
        return Predicted(found.mean, variance)

    batch = min(_BATCH, len(features))
    # The last batch is filled up, so that one compilation serves all.
    padded = np.resize(features, (-(-len(features) // batch) * batch, features.shape[1]))
    parts = [jax.device_get(predicted(padded[i : i + batch])) for i in range(0, len(padded), batch)]
    mean, variance = (
        np.concatenate(columns)[: len(features)] for columns in zip(*parts, strict=True)
    )
    return Predicted(mean, variance)
