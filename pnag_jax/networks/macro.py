"""The networks of NAS-Bench-Macro.

Su et al., "Prioritized Architecture Sampling with Monto-Carlo Tree Search",
CVPR 2021: a 3x3 convolution, eight searched layers in stages of 2, 3 and 3, each
stage halving the image and doubling the channels, a 1x1 convolution, the mean
over all pixels, a classifier.  ReLU behind every batch norm but the last of a
layer.

Letters of shapes: ``B`` images, ``H`` and ``W`` their sides, ``C`` channels,
``L`` = 8 genes.
"""

from __future__ import annotations

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp

from pnag_jax.networks import layers
from pnag_jax.networks.layers import ConvBn
from pnag_jax.networks.mbconv import AnyMBConv, MBConv
from pnag_jax.spaces import macro
from pnag_jax.spaces.macro import IDENTITY, LAYERS, MBCONVS


@dataclasses.dataclass(frozen=True)
class Skeleton:
    """What is around the searched layers; the defaults are the benchmark's.

    Attributes:
      channels: of the first convolution.
      head_channels: of the last one.
    """

    channels: int = macro.STEM_CHANNELS
    head_channels: int = macro.HEAD_CHANNELS


class Network(nn.Module):
    """The network of one architecture.

    Attributes:
      genotype: eight operations, see ``spaces.macro.OPS``.
      num_classes: logits.
      skeleton: what is around the layers.
    """

    genotype: tuple[int, ...]
    num_classes: int
    skeleton: Skeleton = Skeleton()

    @nn.compact
    def __call__(self, images: jax.Array, *, train: bool = False) -> jax.Array:
        """``[B, H, W, C] -> [B, num_classes]``."""
        x = _stem(self.skeleton, images, train)
        for number, (op, layer) in enumerate(zip(self.genotype, LAYERS, strict=True)):
            features = _channels(self.skeleton, number)
            if op != IDENTITY:
                block = MBConv(features, *MBCONVS[op - 1], layer.stride, name=f"layer{number}")
                x = block(x, train)
            elif layer.stride > 1:
                x = _strided(number, features, layer.stride)(x, train)
        return _head(self.skeleton, self.num_classes, x, train)


class Population(nn.Module):
    """The networks of all architectures in one: the genotype is data.

    A layer's two blocks share their parameters, and an identity that is a
    convolution has its own; ``mbconv.copy_in`` puts the variables of a
    ``Network`` in their places.

    Attributes:
      num_classes: logits.
      skeleton: what is around the layers.
    """

    num_classes: int
    skeleton: Skeleton = Skeleton()

    @nn.compact
    def __call__(self, genotype: jax.Array, images: jax.Array, *, train: bool = False) -> jax.Array:
        """``int32 [L], [B, H, W, C] -> [B, num_classes]``."""
        expansions, kernels = zip(*MBCONVS, strict=True)
        x = _stem(self.skeleton, images, train)
        for number, layer in enumerate(LAYERS):
            features, op = _channels(self.skeleton, number), genotype[number]
            block = AnyMBConv(
                features, expansions, kernels, stride=layer.stride, name=f"layer{number}"
            )
            choice = jnp.maximum(op - 1, 0)
            y = block(x, choice, choice, train)
            if layer.stride > 1:
                x = _strided(number, features, layer.stride)(x, train)
            x = jnp.where(op == IDENTITY, x, y)
        return _head(self.skeleton, self.num_classes, x, train)


def _channels(skeleton: Skeleton, number: int) -> int:
    return skeleton.channels * LAYERS[number].channels_out // macro.STEM_CHANNELS


def _stem(skeleton: Skeleton, images: jax.Array, train: bool) -> jax.Array:
    return nn.relu(ConvBn(skeleton.channels, macro.STEM_KERNEL, name="stem")(images, train))


def _strided(number: int, features: int, stride: int) -> ConvBn:
    """An identity that changes the size."""
    return ConvBn(features, 1, stride, name=f"layer{number}_identity")


def _head(skeleton: Skeleton, num_classes: int, x: jax.Array, train: bool) -> jax.Array:
    x = nn.relu(ConvBn(skeleton.head_channels, name="head")(x, train))
    return nn.Dense(num_classes, name="classifier")(layers.global_pool(x))
