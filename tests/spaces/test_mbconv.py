"""Layers by hand, and the expansion and squeeze that are left out."""

from __future__ import annotations

import hypothesis
import hypothesis.strategies as st

from pnag_jax.spaces import mbconv
from pnag_jax.spaces.mbconv import Layer

LAYER = Layer(channels_in=3, channels_out=5, side=8, stride=2)


def test_a_convolution():
    assert mbconv.conv_params(3, 5, kernel=3) == 3 * 5 * 9 + 2 * 5
    assert mbconv.conv_params(6, 6, kernel=5, groups=6) == 6 * 25 + 2 * 6


def test_a_layer():
    """6 hidden channels: expanded on 8 x 8, filtered and projected on 4 x 4."""
    assert LAYER.side_out == 4
    assert mbconv.params(LAYER, 2, 3) == (18 + 12) + (54 + 12) + (30 + 10)
    assert mbconv.flops(LAYER, 2, 3) == 18 * 64 + 54 * 16 + 30 * 16
    assert mbconv.normalized(LAYER, 2) == 6 * 64 + 6 * 16 + 5 * 16


def test_without_expansion_there_is_no_first_convolution():
    assert mbconv.params(LAYER, 1, 3) == (27 + 6) + (15 + 10)
    assert mbconv.flops(LAYER, 1, 3) == (27 + 15) * 16
    assert mbconv.normalized(LAYER, 1) == (3 + 5) * 16


LAYERS = st.builds(
    Layer,
    channels_in=st.integers(1, 64),
    channels_out=st.integers(1, 64),
    side=st.integers(1, 16).map(lambda half: 2 * half),
    stride=st.sampled_from([1, 2]),
)


@hypothesis.given(LAYERS, st.integers(1, 6), st.sampled_from([3, 5, 7]), st.integers(1, 16))
def test_a_squeeze_costs_the_same_whatever_the_image(layer, expansion, kernel, squeezed):
    """Two dense layers: twice the weights, a bias on each side, no pixels."""
    hidden = expansion * layer.channels_in
    more = mbconv.params(layer, expansion, kernel, squeezed) - mbconv.params(
        layer, expansion, kernel
    )
    assert more == 2 * hidden * squeezed + hidden + squeezed
    more = mbconv.flops(layer, expansion, kernel, squeezed) - mbconv.flops(layer, expansion, kernel)
    assert more == 2 * hidden * squeezed


@hypothesis.given(LAYERS, st.integers(2, 6), st.sampled_from([3, 5, 7]))
def test_twice_the_side_is_four_times_the_work(layer, expansion, kernel):
    doubled = layer._replace(side=2 * layer.side)
    assert mbconv.flops(doubled, expansion, kernel) == 4 * mbconv.flops(layer, expansion, kernel)
    assert mbconv.normalized(doubled, expansion) == 4 * mbconv.normalized(layer, expansion)
    assert mbconv.params(doubled, expansion, kernel) == mbconv.params(layer, expansion, kernel)
