"""Parameters and multiply-accumulates of the networks of DARTS for CIFAR.

For images of 32 x 32: a 3x3 convolution to three times the channels, a row of
cells of which those at a third and at two thirds of the depth are reduction
cells (they halve the sides and double the channels), the mean over all pixels,
a classifier.  A cell reads the outputs of the two cells before it, each through
a 1x1 convolution to its own channels, or through a factorized reduction where
that output is twice as large.  The auxiliary head is not counted.

Every batch norm has a scale and a shift, no convolution a bias.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pnag_jax.spaces import darts_cells
from pnag_jax.spaces.base import SpaceError

IMAGE_CHANNELS = 3
IMAGE_SIDE = 32
STEM_KERNEL = 3
STEM_MULTIPLIER = 3
# A cell's output has as many times its channels as it has nodes.
MULTIPLIER = 4

OPS = (
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
MAX_POOL, AVG_POOL, SKIP, SEP3, SEP5, DIL3, DIL5 = range(7)
KERNELS = {SEP3: 3, SEP5: 5, DIL3: 3, DIL5: 5}
# A separable convolution is applied twice.
TIMES = {SEP3: 2, SEP5: 2, DIL3: 1, DIL5: 1}


class Place(NamedTuple):
    """One cell of a network.

    Attributes:
      channels: of its nodes.
      before: channels of the output two cells before, and of the one before.
      reduces: whether it is a reduction cell.
      shrinks: whether the cell before is one, so that the other output is larger.
      side: of its nodes' images.
    """

    channels: int
    before: tuple[int, int]
    reduces: bool
    shrinks: bool
    side: int


class Costs(NamedTuple):
    """A network's cost as a sum; int64.

    Attributes:
      fixed: what no gene changes.
      ops: ``[2, 2, 7]``, of an operation in all cells of a kind (normal,
        reduction), on a node or on one of the cell's inputs.
    """

    fixed: int
    ops: np.ndarray


def places(channels: int, cells: int) -> tuple[Place, ...]:
    """The cells of a network, first to last.

    Raises:
      SpaceError: no cell, or channels that are odd or below 2.
    """
    if cells < 1:
        raise SpaceError(f"darts: cells = {cells}; accepted are 1 and more")
    if channels < 2 or channels % 2:
        raise SpaceError(f"darts: channels = {channels}; accepted are even numbers from 2 on")
    found: list[Place] = []
    before, side, shrinks = (STEM_MULTIPLIER * channels,) * 2, IMAGE_SIDE, False
    for index in range(cells):
        reduces = index in (cells // 3, 2 * cells // 3)
        if reduces:
            channels, side = 2 * channels, side // 2
        found.append(Place(channels, before, reduces, shrinks, side))
        before, shrinks = (before[1], MULTIPLIER * channels), reduces
    return tuple(found)


@functools.cache
def params(channels: int, cells: int, num_classes: int) -> Costs:
    """Trainable numbers."""
    rows = places(channels, cells)
    stem = STEM_MULTIPLIER * channels
    fixed = (STEM_KERNEL**2 * IMAGE_CHANNELS + 2) * stem
    fixed += (MULTIPLIER * rows[-1].channels + 1) * num_classes
    fixed += sum((width + 2) * place.channels for place in rows for width in place.before)
    ops = np.zeros((2, 2, len(OPS)), np.int64)
    for place in rows:
        width = place.channels
        for op, kernel in KERNELS.items():
            ops[int(place.reduces), :, op] += TIMES[op] * (kernel**2 + width + 2) * width
        if place.reduces:  # a skip of an input is a factorized reduction
            ops[1, 1, SKIP] += (width + 2) * width
    return Costs(fixed, ops)


@functools.cache
def flops(channels: int, cells: int, num_classes: int) -> Costs:
    """Multiply-accumulates of convolutions and the classifier for one image."""
    rows = places(channels, cells)
    fixed = STEM_KERNEL**2 * IMAGE_CHANNELS * STEM_MULTIPLIER * channels * IMAGE_SIDE**2
    fixed += MULTIPLIER * rows[-1].channels * num_classes
    ops = np.zeros((2, 2, len(OPS)), np.int64)
    for place in rows:
        width, pixels = place.channels, place.side**2
        # A reduction cell reads images of twice its sides.
        fixed += (4 if place.reduces else 1) * pixels * width * sum(place.before)
        for op, kernel in KERNELS.items():
            # With stride 2 the first convolution shrinks the image.
            ops[int(place.reduces), :, op] += TIMES[op] * (kernel**2 + width) * width * pixels
        if place.reduces:
            ops[1, 1, SKIP] += width**2 * pixels
    return Costs(fixed, ops)


def total(cells: jax.Array, costs: Costs) -> jax.Array:
    """Cost of networks: int ``[..., 2, 4, 4]``, normal and reduction, to float32 ``[...]``.

    Summed as integers, so that the result is the nearest to the truth.
    """
    unit = math.gcd(costs.fixed, *costs.ops.ravel().tolist())
    table = jnp.asarray(costs.ops // unit, jnp.int32)
    sources, ops = cells[..., 0::2], cells[..., 1::2]
    of_input = (sources < darts_cells.NUM_INPUTS).astype(jnp.int32)
    kind = jnp.arange(2)[:, None, None]
    summed = table[kind, of_input, ops].sum(axis=(-3, -2, -1))
    return (costs.fixed // unit + summed).astype(jnp.float32) * unit
