"""Parameters and multiply-accumulates of Once-for-All's MobileNetV3 subnets.

A 3x3 convolution of stride 2 to 16 channels, one inverted residual layer that
expands nothing, five stages of 2 to 4 searched blocks, a 1x1 convolution to 960
channels, average pooling, a dense layer to 1280 without bias or norm, a
classifier.  Squeeze-and-excitation squeezes to a quarter of the expanded
channels, rounded to multiples of 8.  All channels scale with the width.

The counts equal the columns of the table of measured subnets (width 1.0) in all
2,223 rows.
"""

from __future__ import annotations

import functools
import itertools

import numpy as np

from pnag_jax.spaces import mbconv
from pnag_jax.spaces.mbconv import Layer

IMAGE_CHANNELS = 3
STEM_KERNEL = 3
STEM_CHANNELS = 16
FIRST_KERNEL = 3
# Of the five stages; a stage's first block takes the stride and changes the channels.
STAGE_CHANNELS = (24, 40, 80, 112, 160)
STAGE_STRIDES = (2, 2, 2, 1, 2)
STAGE_SQUEEZES = (False, True, False, True, True)
EXPANDED_CHANNELS = 960
HEAD_CHANNELS = 1280
SQUEEZE_RATIO = 4

KERNELS = (3, 5, 7)
EXPANSIONS = (3, 4, 6)
DEPTHS = (2, 3, 4)
RESOLUTIONS = tuple(range(128, 225, 4))
NUM_STAGES = len(STAGE_CHANNELS)
STAGE_BLOCKS = DEPTHS[-1]
NUM_BLOCKS = NUM_STAGES * STAGE_BLOCKS

# (kernel, expansion) of every kind of block; a block that is skipped comes next.
KINDS = tuple(itertools.product(KERNELS, EXPANSIONS))


def layers(resolution: int, width: float = 1.0) -> tuple[Layer, ...]:
    """Where the 20 blocks stand, all stages at their full depth."""
    channels, side = channels_of(STEM_CHANNELS, width), -(-resolution // 2)
    found = []
    for wanted, stride in zip(STAGE_CHANNELS, STAGE_STRIDES, strict=True):
        for block in range(STAGE_BLOCKS):
            step = stride if block == 0 else 1
            found.append(Layer(channels, channels_of(wanted, width), side, step))
            channels, side = found[-1].channels_out, found[-1].side_out
    return tuple(found)


def channels_of(channels: int, width: float) -> int:
    """A number of channels at some width."""
    return mbconv.divisible(channels * width)


def squeezed(block: int, hidden: int) -> int:
    """What a block squeezes ``hidden`` expanded channels to; 0 for no squeeze."""
    return mbconv.divisible(hidden // SQUEEZE_RATIO) if STAGE_SQUEEZES[block // STAGE_BLOCKS] else 0


def fixed_params(num_classes: int, width: float = 1.0) -> int:
    """All but the searched blocks."""
    stem, expanded = channels_of(STEM_CHANNELS, width), channels_of(EXPANDED_CHANNELS, width)
    head = channels_of(HEAD_CHANNELS, width)
    return (
        mbconv.conv_params(IMAGE_CHANNELS, stem, STEM_KERNEL)
        + mbconv.params(Layer(stem, stem, 1, 1), 1, FIRST_KERNEL)
        + mbconv.conv_params(channels_of(STAGE_CHANNELS[-1], width), expanded)
        + expanded * head
        + (head + 1) * num_classes
    )


def fixed_flops(num_classes: int, width: float = 1.0) -> np.ndarray:
    """All but the searched blocks, at every resolution: int64 ``[25]``."""
    stem, expanded = channels_of(STEM_CHANNELS, width), channels_of(EXPANDED_CHANNELS, width)
    head = channels_of(HEAD_CHANNELS, width)

    def at(resolution: int) -> int:
        last, side = layers(resolution, width)[-1], -(-resolution // 2)
        return (
            IMAGE_CHANNELS * stem * STEM_KERNEL**2 * side**2
            + mbconv.flops(Layer(stem, stem, side, 1), 1, FIRST_KERNEL)
            + last.channels_out * expanded * last.side_out**2
            + expanded * head
            + head * num_classes
        )

    return np.array([at(resolution) for resolution in RESOLUTIONS])


@functools.cache
def block_params(width: float = 1.0) -> np.ndarray:
    """Parameters of every kind of block in every place: int32 ``[20, 10]``."""
    return _per_block(mbconv.params, RESOLUTIONS[0], width)


@functools.cache
def block_flops(width: float = 1.0) -> np.ndarray:
    """Multiply-accumulates, at every resolution too: int32 ``[25, 20, 10]``."""
    return np.stack([_per_block(mbconv.flops, side, width) for side in RESOLUTIONS])


def _per_block(cost, resolution: int, width: float) -> np.ndarray:
    """``cost`` of every kind in every place; a skipped block costs nothing."""
    table = np.zeros((NUM_BLOCKS, len(KINDS) + 1), np.int32)
    for block, layer in enumerate(layers(resolution, width)):
        for kind, (kernel, expansion) in enumerate(KINDS):
            hidden = expansion * layer.channels_in
            table[block, kind] = cost(layer, expansion, kernel, squeezed(block, hidden))
    return table
