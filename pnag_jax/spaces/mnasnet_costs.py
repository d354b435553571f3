"""Parameters and multiply-accumulates of the networks of Accel-NASBench.

For images of 224 x 224: a 3x3 convolution of stride 2 to 32 channels, seven
blocks, a 1x1 convolution to 1280 channels, average pooling, a classifier.  The
first layer of a block takes its stride and changes the channels; the others
keep both.  Squeeze-and-excitation squeezes to a quarter of its layer's input
channels.

Channels and strides are those of the benchmark's code; where layers have norms
and biases was found from the table's two columns, which the counts here equal
in all 5,138 rows.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable

import numpy as np

from pnag_jax.spaces import mbconv
from pnag_jax.spaces.mbconv import Layer

IMAGE_CHANNELS = 3
STEM_KERNEL = 3
STEM_CHANNELS = 32
HEAD_CHANNELS = 1280
SQUEEZE_RATIO = 4

# The first layer of each block.
BLOCKS = (
    Layer(32, 16, side=112, stride=1),
    Layer(16, 24, side=112, stride=2),
    Layer(24, 40, side=56, stride=2),
    Layer(40, 80, side=28, stride=2),
    Layer(80, 112, side=14, stride=1),
    Layer(112, 192, side=14, stride=2),
    Layer(192, 320, side=7, stride=1),
)

# What a block may be.  Four layers are accepted in ``DEEPEST`` alone.
EXPANSIONS = (1, 4, 6)
KERNELS = (3, 5)
LAYERS = (1, 2, 3, 4)
SQUEEZES = (0, 1)
DEEPEST = 5
# (expansion, kernel, layers, squeeze-and-excitation) of every kind of block.
KINDS = tuple(itertools.product(EXPANSIONS, KERNELS, LAYERS, SQUEEZES))


def fixed_params(num_classes: int) -> int:
    """Stem, head and classifier."""
    return (
        mbconv.conv_params(IMAGE_CHANNELS, STEM_CHANNELS, STEM_KERNEL)
        + mbconv.conv_params(BLOCKS[-1].channels_out, HEAD_CHANNELS)
        + (HEAD_CHANNELS + 1) * num_classes
    )


def fixed_flops(num_classes: int) -> int:
    """Multiply-accumulates of stem, head and classifier."""
    stem = IMAGE_CHANNELS * STEM_CHANNELS * STEM_KERNEL**2 * BLOCKS[0].side ** 2
    head = BLOCKS[-1].channels_out * HEAD_CHANNELS * BLOCKS[-1].side_out ** 2
    return stem + head + HEAD_CHANNELS * num_classes


def fixed_norms_and_pools() -> int:
    """As ``block_norms_and_pools``, of stem and head."""
    pixels = BLOCKS[-1].side_out ** 2
    normalized = STEM_CHANNELS * BLOCKS[0].side ** 2 + HEAD_CHANNELS * pixels
    return 4 * normalized + HEAD_CHANNELS * (pixels + 1)


@functools.cache
def block_params() -> np.ndarray:
    """Parameters of every kind of block in every place: int32 ``[7, 48]``."""
    return _per_block(mbconv.params)


@functools.cache
def block_flops() -> np.ndarray:
    """Multiply-accumulates of every kind of block in every place: int32 ``[7, 48]``."""
    return _per_block(mbconv.flops)


@functools.cache
def block_norms_and_pools() -> np.ndarray:
    """What the table's column counts beside multiply-accumulates: int32 ``[7, 48]``.

    Four operations a value of a batch norm; in the average pool of a
    squeeze-and-excitation one a value and one more a channel.
    """

    def one(layer: Layer, expansion: int, kernel: int, squeezed: int) -> int:
        del kernel
        pooled = expansion * layer.channels_in * (layer.side_out**2 + 1) if squeezed else 0
        return 4 * mbconv.normalized(layer, expansion) + pooled

    return _per_block(one)


def _per_block(cost: Callable[[Layer, int, int, int], int]) -> np.ndarray:
    """The cost of a layer, summed over the layers of every kind in every place."""
    return np.array(
        [
            [
                sum(
                    cost(layer, expansion, kernel, squeeze * layer.channels_in // SQUEEZE_RATIO)
                    for layer in _layers(first, layers)
                )
                for expansion, kernel, layers, squeeze in KINDS
            ]
            for first in BLOCKS
        ],
        np.int32,
    )


def _layers(first: Layer, count: int) -> tuple[Layer, ...]:
    channels = first.channels_out
    return (first, *[Layer(channels, channels, first.side_out, stride=1)] * (count - 1))
