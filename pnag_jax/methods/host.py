"""Calls of host libraries from inside a compiled search."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

# A CPU backend copies larger arguments of a callback on the threads that compute.
# Where one core has only one of them, the callback would wait for itself for ever.
_PIECE_BYTES = 65_536


def call(
    function: Callable[..., np.ndarray], result: jax.ShapeDtypeStruct, *arrays: jax.Array
) -> jax.Array:
    """``function(*arrays)`` with numpy arrays, under ``jit``, ``vmap`` and ``scan``.

    Under ``vmap`` one search is served after the other.

    Args:
      function: pure, that is, seeded by its arguments; must not use JAX.
      result: shape and dtype of what it returns.
      *arrays: of any shapes.
    """

    def on_host(*pieces: list[Any]) -> np.ndarray:
        found = function(*[_joined(parts) for parts in pieces])
        return np.asarray(found, result.dtype)

    pieces = [_pieces(jnp.asarray(array)) for array in arrays]
    return jax.pure_callback(on_host, result, *pieces, vmap_method="sequential")


def seed(key: jax.Array) -> jax.Array:
    """A seed for a library's own generator: uint32 scalar.  The key is consumed."""
    return jax.random.bits(key)


def _pieces(array: jax.Array) -> list[jax.Array]:
    """The array cut along its first axis into pieces that are copied at once."""
    if array.nbytes <= _PIECE_BYTES or array.ndim == 0:
        return [array]
    rows = max(1, _PIECE_BYTES * len(array) // array.nbytes)
    return [array[start : start + rows] for start in range(0, len(array), rows)]


def _joined(pieces: list[Any]) -> np.ndarray:
    arrays = [np.asarray(piece) for piece in pieces]
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
