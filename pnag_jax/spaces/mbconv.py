"""Costs of convolutions with batch norm and of inverted residual layers.

An inverted residual layer (Sandler et al., "MobileNetV2", CVPR 2018) expands
its channels by a 1x1 convolution (left out where the expansion is 1), filters
each by a depthwise one, and projects them by another 1x1.  With
squeeze-and-excitation two dense layers with bias scale the expanded channels
(Tan et al., "MnasNet", CVPR 2019).
"""

from __future__ import annotations

from typing import NamedTuple


class Layer(NamedTuple):
    """Where a layer stands: channels in and out, side of its input, stride."""

    channels_in: int
    channels_out: int
    side: int
    stride: int

    @property
    def side_out(self) -> int:
        """Side of its output; odd sides are rounded up, as padding makes them."""
        return -(-self.side // self.stride)


def divisible(channels: float, by: int = 8) -> int:
    """Channels rounded to a multiple, by at most a tenth down (Howard et al., 2017).

    The rule of the MobileNets for every number that a width multiplier or a ratio
    gives.

    >>> [divisible(channels) for channels in (19.2, 28.8, 134.4, 3)]
    [24, 32, 136, 8]
    """
    rounded = max(by, int(channels + by / 2) // by * by)
    return rounded if rounded >= 0.9 * channels else rounded + by


def conv_params(channels_in: int, channels_out: int, kernel: int = 1, groups: int = 1) -> int:
    """Weights of a convolution without bias and of the batch norm behind it."""
    return channels_in // groups * channels_out * kernel**2 + 2 * channels_out


def params(layer: Layer, expansion: int, kernel: int, squeezed: int = 0) -> int:
    """Parameters of an inverted residual layer.

    Args:
      layer: where it stands.
      expansion: expanded channels / ``channels_in``.
      kernel: side of the depthwise kernel.
      squeezed: channels that squeeze-and-excitation squeezes to; 0 for none.
    """
    hidden = expansion * layer.channels_in
    expand = conv_params(layer.channels_in, hidden) if expansion > 1 else 0
    depthwise = conv_params(hidden, hidden, kernel, groups=hidden)
    squeeze = (hidden + 1) * squeezed + (squeezed + 1) * hidden if squeezed else 0
    return expand + depthwise + squeeze + conv_params(hidden, layer.channels_out)


def flops(layer: Layer, expansion: int, kernel: int, squeezed: int = 0) -> int:
    """Multiply-accumulates of an inverted residual layer; arguments as in ``params``."""
    hidden = expansion * layer.channels_in
    expand = layer.channels_in * hidden * layer.side**2 if expansion > 1 else 0
    depthwise = kernel**2 * hidden * layer.side_out**2
    squeeze = 2 * hidden * squeezed
    project = hidden * layer.channels_out * layer.side_out**2
    return expand + depthwise + squeeze + project


def normalized(layer: Layer, expansion: int) -> int:
    """Values that the batch norms of an inverted residual layer see."""
    hidden = expansion * layer.channels_in
    expanded = hidden * layer.side**2 if expansion > 1 else 0
    return expanded + (hidden + layer.channels_out) * layer.side_out**2
