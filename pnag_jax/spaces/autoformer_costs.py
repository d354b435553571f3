"""Parameters and multiply-accumulates of AutoFormer's vision transformers.

Chen et al., "AutoFormer: Searching Transformers for Visual Recognition", ICCV
2021.  Patches of 16 x 16 pixels and a class token, whose positions are learned;
layers with norms before each part, whose heads are 64 wide whatever the width
of the model, and whose keys and values know relative positions; the mean of the
patches and a classifier.

Letters: ``S`` sides of the grid of patches, ``T`` = S^2 + 1 tokens.
"""

from __future__ import annotations

import functools

import numpy as np

# By variant: tiny, small, base.
WIDTHS = ((192, 216, 240), (320, 384, 448), (528, 576, 624))
DEPTHS = ((12, 13, 14), (12, 13, 14), (14, 15, 16))
HEADS = ((3, 4), (5, 6, 7), (8, 9, 10))
RATIOS = ((3.5, 4.0), (3.0, 3.5, 4.0), (3.0, 3.5, 4.0))

PATCH = 16
IMAGE = 224
IMAGE_CHANNELS = 3
HEAD_WIDTH = 64
# Relative positions are told apart up to this many patches.
FURTHEST = 14
# Rows of a table of relative positions: both directions, none, and the class token.
TABLE = 2 * FURTHEST + 2

_SIDE = IMAGE // PATCH
_TOKENS = _SIDE**2 + 1


def fixed_params(width: int, num_classes: int) -> int:
    """Patches, class token, positions, last norm and classifier."""
    patches = (PATCH**2 * IMAGE_CHANNELS + 1) * width
    return patches + width + _TOKENS * width + 2 * width + (width + 1) * num_classes


def fixed_flops(width: int, num_classes: int) -> int:
    """The same, for one image."""
    return _SIDE**2 * PATCH**2 * IMAGE_CHANNELS * width + width * num_classes


def _layer_params(width: int, heads: int, ratio: float) -> int:
    inner, attended = int(width * ratio), heads * HEAD_WIDTH
    attention = 3 * (width + 1) * attended + (attended + 1) * width
    # Rows and columns, of keys and of values; shared by the heads.
    relative = 4 * TABLE * HEAD_WIDTH
    return attention + relative + (width + 1) * inner + (inner + 1) * width + 4 * width


def _layer_flops(width: int, heads: int, ratio: float) -> int:
    inner, attended = int(width * ratio), heads * HEAD_WIDTH
    products = _TOKENS * (4 * width * attended + 2 * width * inner)
    scores = 2 * _TOKENS**2 * attended
    # A row and a column of relative positions a token, the class token in both.
    relative = 4 * _TOKENS * (_SIDE + 1) * attended
    return products + scores + relative


@functools.cache
def layers(of_params: bool) -> np.ndarray:
    """Cost of every layer: int32 ``[3, 3, 3, 3]``.

    By variant, width, heads and ratio, each in the order of the lists above;
    a variant's lists of two are filled up with their last value.
    """
    cost = _layer_params if of_params else _layer_flops
    table = np.zeros((3, 3, 3, 3), np.int32)
    for index in np.ndindex(table.shape):
        size, width, heads, ratio = index
        table[index] = cost(
            WIDTHS[size][width],
            HEADS[size][min(heads, len(HEADS[size]) - 1)],
            RATIOS[size][min(ratio, len(RATIOS[size]) - 1)],
        )
    return table


@functools.cache
def fixed(of_params: bool, num_classes: int) -> np.ndarray:
    """Cost of all else, by variant and width: int32 ``[3, 3]``."""
    cost = fixed_params if of_params else fixed_flops
    return np.array([[cost(width, num_classes) for width in row] for row in WIDTHS], np.int32)
