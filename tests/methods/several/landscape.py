"""A landscape of two objectives that can be followed by hand."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from pnag_jax import spaces

# Genes of value 2 are good for the first objective and bad for the second; of
# value 1 they are bad for both.
MACRO = spaces.as_written(spaces.get("macro"))


def measure(genotypes) -> jax.Array:
    """``[n, L]`` to ``[n, 3]``: both objectives, and the slack of at most six twos."""
    twos = (jnp.asarray(genotypes) == 2).sum(-1)
    ones = (jnp.asarray(genotypes) == 1).sum(-1)
    values = jnp.stack([twos - ones, -twos - ones, 6 - twos], axis=-1)
    return values.astype(jnp.float32)
