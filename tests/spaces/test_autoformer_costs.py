"""Costs of vision transformers by hand and beside the paper's."""

from __future__ import annotations

import json

import numpy as np

from pnag_jax import spaces
from pnag_jax.spaces import autoformer_costs as costs

SPACE = spaces.get("autoformer")


def genotype(width: int, depth: int, heads: int, ratio: float) -> np.ndarray:
    config = {"hidden_dim": width, "depth": depth}
    layers = {"num_heads": [heads] * depth, "mlp_ratio": [ratio] * depth}
    return SPACE.from_string(json.dumps(config | layers))


SMALLEST = genotype(192, 12, 3, 3.5)
# 192 wide like its three heads of 64, and 672 = 3.5 * 192 inside.
LAYER = 3 * (192 + 1) * 192 + (192 + 1) * 192 + 4 * 30 * 64 + 193 * 672 + 673 * 192 + 4 * 192


def test_parameters_by_hand():
    # Patches, class token, 197 positions, last norm, classifier.
    fixed = (16 * 16 * 3 + 1) * 192 + 192 + 197 * 192 + 2 * 192 + 193 * 1000
    assert SPACE.params(SMALLEST) == fixed + 12 * LAYER
    assert SPACE.params(genotype(192, 13, 3, 3.5)) == fixed + 13 * LAYER
    assert SPACE.params(SMALLEST, 10) == fixed + 12 * LAYER - 990 * 193


def test_networks_of_the_paper_have_about_as_many_parameters():
    """Table 2: the small ones have 14 to 34 million, the base ones 42 to 75."""
    ends = [
        *(genotype(320, 12, 5, 3.5), genotype(448, 14, 7, 4.0)),
        *(genotype(528, 14, 9, 3.0), genotype(624, 16, 10, 4.0)),
    ]
    found = [float(SPACE.params(end)) / 1e6 for end in ends]
    np.testing.assert_allclose(found, [14, 34, 42, 75], rtol=0.04)


def test_multiply_accumulates_by_hand():
    tokens = 14 * 14 + 1
    layer = (
        tokens * (4 * 192 * 192 + 2 * 192 * 672)
        + 2 * tokens**2 * 192  # scores, and the weighted sum
        + 4 * tokens * 15 * 192  # a row and a column of places, for keys and for values
    )
    fixed = 14 * 14 * 16 * 16 * 3 * 192 + 192 * 1000
    assert SPACE.flops(SMALLEST) == np.float32(fixed + 12 * layer)


def test_sums_beyond_32_bits_are_right():
    largest = genotype(624, 16, 10, 4.0)
    expected = int(costs.fixed(False, 1000)[2, 2]) + 16 * int(costs.layers(False)[2, 2, 2, 2])
    assert expected > 2**31
    np.testing.assert_allclose(SPACE.flops(largest), expected, rtol=1e-7)
