"""Convolution and pooling with the batch last: for networks with the kernel as data.

A convolution is one matrix product of its kernel with the columns that it
sees.  XLA's convolutions are slow on a CPU inside a loop, and under ``vmap``
over kernels they become grouped ones, which are slow everywhere but on a TPU; a
matrix product stays one.  With the batch last the columns are copies of whole
rows of memory.

Letters of shapes: ``B`` images of a batch, ``H`` and ``W`` their sides, ``C``
channels, ``k`` the side of a kernel, ``F`` channels out.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def from_images(images: jax.Array) -> jax.Array:
    """``[B, H, W, C] -> [C, H, W, B]``."""
    return jnp.transpose(images, (3, 1, 2, 0))


def columns(x: jax.Array, kernel: int, stride: int = 1) -> jax.Array:
    """What each kernel entry sees, zero outside the image.

    Args:
      x: ``[C, H, W, B]``.
      kernel: ``k``, odd.
      stride: of the convolution.

    Returns:
      ``[k k C, H', W', B]``, in the order of a kernel ``[k, k, C, F]``; ``H'``
      and ``W'`` are ``H / stride`` and ``W / stride``, rounded up.
    """
    if kernel == 1 and stride == 1:
        return x
    for axis in (2, 1):
        x = jnp.concatenate(_shifted(x, axis, kernel, kernel // 2, stride))
    return x


def product(kernel: jax.Array, seen: jax.Array) -> jax.Array:
    """A convolution of columns: ``[..., C, F], [k k C, H', W', B] -> [F, H', W', B]``."""
    matrix = kernel.reshape(-1, kernel.shape[-1])
    return jnp.einsum("cf,cn->fn", matrix, seen.reshape(len(seen), -1)).reshape(
        matrix.shape[1], *seen.shape[1:]
    )


def avg_pool(x: jax.Array, size: int = 3, stride: int = 1) -> jax.Array:
    """As ``layers.avg_pool``, with the batch last: ``[C, H, W, B] -> [C, H', W', B]``."""
    pixels = np.ones((1, *x.shape[1:3], 1), x.dtype)
    for axis in (2, 1):
        x = sum(_shifted(x, axis, size, (size - 1) // 2, stride))
        pixels = sum(_shifted(pixels, axis, size, (size - 1) // 2, stride))
    return x / pixels


def _shifted(x: Any, axis: int, size: int, edge: int, stride: int) -> list[Any]:
    """For each place in a window along an axis what stands there, zero outside.

    Args:
      x: ``[C, H, W, B]``.
      axis: 1 or 2.
      size: of the window.
      edge: zeros that are put before and behind.
      stride: of the window.

    Returns:
      ``size`` arrays in which the axis is ``1 + (side + 2 edge - size) // stride`` long.
    """
    like = np if isinstance(x, np.ndarray) else jnp
    padded = like.pad(x, [(edge, edge) if a == axis else (0, 0) for a in range(4)])
    end = (padded.shape[axis] - size) // stride * stride + 1
    at = [slice(None)] * axis
    return [padded[(*at, slice(i, i + end, stride))] for i in range(size)]
