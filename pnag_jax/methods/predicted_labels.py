"""Labels for architectures that were not measured, from those that were.

A network that is trained on a few hundred labels learns them by heart.  The
Gaussian process of the searches (``gaussian_process``, ``code_distance``)
spreads them over all architectures of a generator first, so that the
next-scale prior has as many labels as architectures.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from pnag_jax.errors import UsageError
from pnag_jax.generation import Generator
from pnag_jax.methods import code_distance
from pnag_jax.methods import gaussian_process as gp

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
    by = code_distance.measure(generator)
    codes = jnp.asarray(generator.canonical_codes)
    known = codes[rows]
    measured = jnp.ones(len(rows), bool)
    targets = gp.normal_scores(jnp.asarray(values[rows]), measured)
    posterior = gp.fit(code_distance.squared(by, known, known), targets, measured)

    @jax.jit
    def mean(batch: jax.Array) -> jax.Array:
        return gp.predict(posterior, code_distance.squared(by, batch, known)).mean

    batch = min(_BATCH, len(codes))
    # The last batch is filled up, so that one compilation serves all.
    padded = np.resize(np.asarray(codes), (-(-len(codes) // batch) * batch, codes.shape[1]))
    parts = [np.asarray(mean(padded[i : i + batch])) for i in range(0, len(padded), batch)]
    return np.concatenate(parts)[: len(codes)]
