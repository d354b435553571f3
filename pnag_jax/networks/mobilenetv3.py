"""The networks of Once-for-All's MobileNetV3 space.

Cai et al., "Once-for-All: Train One Network and Specialize it for Efficient
Deployment", ICLR 2020; Howard et al., "Searching for MobileNetV3", ICCV 2019.
A 3x3 convolution of stride 2, one layer without expansion, five stages of 2 to 4
inverted residual layers, a 1x1 convolution, the mean over all pixels, a dense
layer, a classifier.  ReLU in the first layer and two stages, hard swish
elsewhere; squeeze-and-excitation in three stages.

The genotype's last gene is the side of the image: the network takes images of
any side, ``resolution`` says which one the genotype asks for.

Letters of shapes: ``B`` images, ``H`` and ``W`` their sides, ``C`` channels,
``L`` = 46 genes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from pnag_jax.networks import layers
from pnag_jax.networks.layers import ConvBn
from pnag_jax.networks.mbconv import AnyMBConv, MBConv
from pnag_jax.spaces import mobilenetv3_costs as costs
from pnag_jax.spaces.mobilenetv3_costs import DEPTHS, EXPANSIONS, KERNELS, NUM_BLOCKS, STAGE_BLOCKS

_GATE = "hard_sigmoid"
# Of the five stages.
_ACTIVATIONS = ("relu", "relu", "hard_swish", "hard_swish", "hard_swish")


@dataclasses.dataclass(frozen=True)
class Skeleton:
    """What is around the searched blocks; the defaults are Once-for-All's.

    Attributes:
      width: multiplier of all channels; Once-for-All has 1.0 and 1.2.
      dropout: before the classifier.
    """

    width: float = 1.0
    dropout: float = 0.1


def resolution(genotype: Sequence[int]) -> int:
    """The side of the images that a genotype asks for."""
    return costs.RESOLUTIONS[genotype[-1]]


class _Place(NamedTuple):
    """One searched block: its number, stage, place in the stage, and layer."""

    number: int
    stage: int
    within: int
    channels_in: int
    channels_out: int
    stride: int


class Network(nn.Module):
    """The network of one architecture.

    Attributes:
      genotype: kernels and expansions of 20 blocks, depths of 5 stages, a side.
      num_classes: logits.
      skeleton: what is around the blocks.
    """

    genotype: tuple[int, ...]
    num_classes: int
    skeleton: Skeleton = Skeleton()

    @nn.compact
    def __call__(self, images: jax.Array, *, train: bool = False) -> jax.Array:
        """``[B, H, W, C] -> [B, num_classes]``."""
        x = _stem(self.skeleton, images, train)
        for place in _places(self.skeleton):
            kernel, expansion, depth = _genes(self.genotype, place)
            if place.within < DEPTHS[depth]:
                hidden = EXPANSIONS[expansion] * place.channels_in
                x = MBConv(
                    place.channels_out,
                    EXPANSIONS[expansion],
                    KERNELS[kernel],
                    place.stride,
                    costs.squeezed(place.number, hidden),
                    _ACTIVATIONS[place.stage],
                    _GATE,
                    name=f"block{place.number}",
                )(x, train)
        return _head(self.skeleton, self.num_classes, x, train)


class Population(nn.Module):
    """The networks of all architectures in one: the genotype is data, but for its side.

    Every block has the parameters of its largest kind, and all 20 are there;
    ``mbconv.copy_in`` puts the variables of a ``Network`` in their places.  Images
    have one size for all, so that the last gene does nothing.

    Attributes:
      num_classes: logits.
      skeleton: what is around the blocks.
    """

    num_classes: int
    skeleton: Skeleton = Skeleton()

    @nn.compact
    def __call__(self, genotype: jax.Array, images: jax.Array, *, train: bool = False) -> jax.Array:
        """``int32 [L], [B, H, W, C] -> [B, num_classes]``."""
        x = _stem(self.skeleton, images, train)
        for place in _places(self.skeleton):
            kernel, expansion, depth = _genes(genotype, place)
            hidden = [choice * place.channels_in for choice in EXPANSIONS]
            block = AnyMBConv(
                place.channels_out,
                EXPANSIONS,
                KERNELS,
                tuple(costs.squeezed(place.number, count) for count in hidden),
                place.stride,
                _ACTIVATIONS[place.stage],
                _GATE,
                name=f"block{place.number}",
            )
            y = block(x, expansion, kernel, train)
            # Blocks that no depth skips change size and channels.
            always = place.within < DEPTHS[0]
            x = y if always else jnp.where(place.within < depth + DEPTHS[0], y, x)
        return _head(self.skeleton, self.num_classes, x, train)


def _places(skeleton: Skeleton) -> Iterator[_Place]:
    for number, layer in enumerate(costs.layers(costs.RESOLUTIONS[0], skeleton.width)):
        stage, within = divmod(number, STAGE_BLOCKS)
        yield _Place(number, stage, within, layer.channels_in, layer.channels_out, layer.stride)


def _genes(genotype: Sequence | jax.Array, place: _Place) -> tuple:
    """Kernel, expansion and depth of a block, as numbers of choices."""
    numbers = (place.number, NUM_BLOCKS + place.number, 2 * NUM_BLOCKS + place.stage)
    return tuple(genotype[number] for number in numbers)


def _stem(skeleton: Skeleton, images: jax.Array, train: bool) -> jax.Array:
    channels = costs.channels_of(costs.STEM_CHANNELS, skeleton.width)
    x = nn.hard_swish(ConvBn(channels, costs.STEM_KERNEL, stride=2, name="stem")(images, train))
    return MBConv(channels, 1, costs.FIRST_KERNEL, name="first")(x, train)


def _head(skeleton: Skeleton, num_classes: int, x: jax.Array, train: bool) -> jax.Array:
    expanded = costs.channels_of(costs.EXPANDED_CHANNELS, skeleton.width)
    x = layers.global_pool(nn.hard_swish(ConvBn(expanded, name="expand")(x, train)))
    channels = costs.channels_of(costs.HEAD_CHANNELS, skeleton.width)
    x = nn.hard_swish(nn.Dense(channels, use_bias=False, name="head")(x))
    x = nn.Dropout(skeleton.dropout, deterministic=not train)(x)
    return nn.Dense(num_classes, name="classifier")(x)
