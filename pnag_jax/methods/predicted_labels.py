"""Labels for architectures that were not measured, from those that were.

A network that is trained on a few hundred labels learns them by heart.  The
Gaussian process of the searches (``path_process``) spreads them over all
architectures of a generator first, so that the next-scale prior has as many
labels as architectures.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from pnag_jax.errors import UsageError
from pnag_jax.generation import Generator
from pnag_jax.methods import gaussian_process as gp
from pnag_jax.methods import path_process

# Architectures that are predicted in one call: bounds memory.
_BATCH = 2048


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
    values = np.asarray(values, np.float32)
    rows = np.flatnonzero(~np.isnan(values))
    if values.shape != (len(generator.codes),) or len(rows) < 2:
        raise UsageError(
            f"values: {len(rows)} measurements in an array of shape {values.shape}; accepted are"
            f" 2 and more in one of shape {(len(generator.codes),)}"
        )
    features = path_process.trained_on(generator)
    known = jnp.asarray(features[rows])
    measured = jnp.ones(len(rows), bool)
    targets = gp.normal_scores(jnp.asarray(values[rows]), measured)
    fitted = path_process.fit(generator.model.space, known, targets, measured)

    @jax.jit
    def mean(batch: jax.Array) -> jax.Array:
        return fitted.predict(known, batch).mean

    batch = min(_BATCH, len(features))
    # The last batch is filled up, so that one compilation serves all.
    padded = np.resize(features, (-(-len(features) // batch) * batch, features.shape[1]))
    parts = [np.asarray(mean(padded[i : i + batch])) for i in range(0, len(padded), batch)]
    return np.concatenate(parts)[: len(features)]
