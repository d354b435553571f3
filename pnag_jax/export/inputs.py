"""What a network is called with."""

from __future__ import annotations

import inspect

import flax.linen as nn
import jax
import jax.numpy as jnp

# Where neither the caller nor the skeleton says it.
_IMAGE_SIZE = 32
_CONTEXT = 64


def example_input(
    network: nn.Module, batch: int = 1, size: int | None = None
) -> jax.ShapeDtypeStruct:
    """Shape and dtype of an input.

    Args:
      network: of ``networks.build``; the name of its first argument tells images
        from tokens.
      batch: examples.
      size: side of an image or tokens of a sequence; the skeleton's
        ``image_size`` or ``context`` by default, else 32 and 64.

    Returns:
      float32 ``[batch, size, size, 3]``, or int32 ``[batch, size]``.
    """
    skeleton = getattr(network, "skeleton", None)
    if next(iter(inspect.signature(network.__call__).parameters)) == "tokens":
        length = size or getattr(skeleton, "context", _CONTEXT)
        return jax.ShapeDtypeStruct((batch, length), jnp.int32)
    side = size or getattr(skeleton, "image_size", _IMAGE_SIZE)
    return jax.ShapeDtypeStruct((batch, side, side, 3), jnp.float32)
