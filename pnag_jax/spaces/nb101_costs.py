"""Parameters and multiply-accumulates of the networks of NAS-Bench-101.

For images of 32 x 32: a 3x3 convolution to 128 channels, three stacks of three
cells, before the second and the third a max pooling that halves the sides while
the channels double, the mean over all pixels, a classifier.

A cell splits its output channels over the nodes that feed the output; what is
left over goes to the first of them, one channel each.  Any other node has as
many channels as the widest node that it feeds.  What reads the cell's input
reads it through a 1x1 convolution of its own.  All convolutions have a batch
norm and no bias.

Letters: ``S`` = 3 stacks.
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pnag_jax.spaces import nb101_cells as cells
from pnag_jax.spaces.nb101_cells import INNER, OUTPUT

IMAGE_CHANNELS = 3
IMAGE_SIDE = 32
STEM_CHANNELS = 128
STEM_KERNEL = 3
STACKS = 3
CELLS = 3

# Sides of the convolutions by operation; a max pooling has no parameters.
KERNELS = (1, 3, 0)

# Channels out of a stack's cells, and into the first of them.
_CHANNELS = STEM_CHANNELS * 2 ** np.arange(STACKS, dtype=np.int32)
_FIRST = np.concatenate([_CHANNELS[:1], _CHANNELS[:-1]])
# Pixels of a stack in those of the last one: counts in such units fit into 32 bits.
_PIXELS = 4 ** np.arange(STACKS, dtype=np.int32)[::-1]
_UNIT = (IMAGE_SIDE >> (STACKS - 1)) ** 2


@functools.partial(jax.jit, static_argnums=2)
def params(code: jax.Array, ops: jax.Array, num_classes: int) -> jax.Array:
    """Of the pruned cell: int ``[...]``, ``[..., 5] -> float32 [...]``."""
    fixed = (STEM_KERNEL**2 * IMAGE_CHANNELS + 2) * STEM_CHANNELS
    fixed += (int(_CHANNELS[-1]) + 1) * num_classes
    weights, normalized = _convolutions(code, ops)
    return (fixed + (weights + 2 * normalized).sum(axis=-1)).astype(jnp.float32)


@functools.partial(jax.jit, static_argnums=2)
def flops(code: jax.Array, ops: jax.Array, num_classes: int) -> jax.Array:
    """For one image; shapes as ``params``."""
    fixed = STEM_KERNEL**2 * IMAGE_CHANNELS * STEM_CHANNELS * int(_PIXELS[0])
    fixed += int(_CHANNELS[-1]) // _UNIT * num_classes
    weights, _ = _convolutions(code, ops)
    return (fixed + (weights * _PIXELS).sum(axis=-1)).astype(jnp.float32) * _UNIT


def _convolutions(code: jax.Array, ops: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Weights and channels out of all convolutions of a stack: int32 ``[..., S]`` each."""
    code = cells.pruned(code)[..., None]
    inside = jnp.stack(channels_of(code, _CHANNELS)[1:], axis=-1)  # [..., S, 5]
    kernels = jnp.asarray(KERNELS)[ops][..., None, :]
    of_input = jnp.stack([cells.sources(code, node) & 1 for node in INNER], axis=-1)
    # Projections of a cell's input, to all together so many channels.
    projected = (of_input * inside).sum(axis=-1) + (cells.sources(code, OUTPUT) & 1) * _CHANNELS
    weights = CELLS * ((kernels * inside) ** 2).sum(axis=-1)
    weights = weights + projected * (_FIRST + (CELLS - 1) * _CHANNELS)
    normalized = jnp.where(kernels > 0, inside, 0).sum(axis=-1)
    return weights, CELLS * (normalized + projected)


def channels_of(code: cells.Array, channels: int | np.ndarray) -> list[Any]:
    """Channels of the nodes of a pruned cell that has ``channels`` out.

    Args:
      code: int ``[...]``.
      channels: of the cell's output, of a shape that goes with the code's.

    Returns:
      int ``[...]`` of every node but the output; 0 of the input, whose own are
      never used as they are, and of dangling nodes.
    """
    feeds = {node: (cells.sources(code, OUTPUT) >> node) & 1 for node in INNER}
    before = code * 0
    count = sum(feeds.values(), start=before)
    count = count + (count == 0)
    even, left_over = channels // count, channels % count
    inside: list[Any] = [even * 0 for _ in range(OUTPUT)]
    for node in INNER:
        inside[node] = feeds[node] * (even + (before < left_over))
        before = before + feeds[node]
    for node in reversed(INNER):
        for target in range(node + 1, OUTPUT):
            edge = (cells.sources(code, target) >> node) & (1 - feeds[node]) & 1
            wider = inside[target] * edge
            inside[node] = inside[node] + (wider > inside[node]) * (wider - inside[node])
    return inside
