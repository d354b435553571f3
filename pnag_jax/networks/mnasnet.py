"""The networks of Accel-NASBench's MnasNet space.

Tan et al., "MnasNet: Platform-Aware Neural Architecture Search for Mobile",
CVPR 2019; Ahmad et al., "Accel-NASBench", DAC 2024.  A 3x3 convolution of stride
2, seven blocks of equal inverted residual layers, of which the first takes the
block's stride and channels, a 1x1 convolution, the mean over all pixels, a
classifier.

Layers, channels and squeezes are told by the table's costs, which the networks
here equal; activations leave no trace there, so that they are MnasNet's own by
default.

Letters of shapes: ``B`` images, ``H`` and ``W`` their sides, ``C`` channels,
``L`` = 28 genes.
"""

from __future__ import annotations

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp

from pnag_jax.networks import layers
from pnag_jax.networks.layers import ConvBn
from pnag_jax.networks.mbconv import ACTIVATIONS, AnyMBConv, MBConv
from pnag_jax.spaces import mbconv, mnasnet, mnasnet_costs
from pnag_jax.spaces.mnasnet_costs import BLOCKS, EXPANSIONS, KERNELS, LAYERS, SQUEEZE_RATIO


@dataclasses.dataclass(frozen=True)
class Skeleton:
    """What is around the searched blocks; the defaults are the benchmark's.

    Attributes:
      width: multiplier of all channels, which are rounded to multiples of 8.
      activation: a key of ``mbconv.ACTIVATIONS``.
    """

    width: float = 1.0
    activation: str = "relu"


class Network(nn.Module):
    """The network of one architecture.

    Attributes:
      genotype: expansion, kernel, layers and squeeze of seven blocks.
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
        genes = len(mnasnet.GENES)
        for block, first in enumerate(BLOCKS):
            chosen = self.genotype[block * genes : (block + 1) * genes]
            values = mnasnet.GENE_VALUES[block * genes : (block + 1) * genes]
            expansion, kernel, count, squeeze = (
                of[gene] for of, gene in zip(values, chosen, strict=True)
            )
            for number in range(count):
                x = MBConv(
                    _channels(self.skeleton, first.channels_out),
                    expansion,
                    kernel,
                    first.stride if number == 0 else 1,
                    squeezed=squeeze * (x.shape[-1] // SQUEEZE_RATIO),
                    activation=self.skeleton.activation,
                    name=_name(block, number),
                )(x, train)
        return _head(self.skeleton, self.num_classes, x, train)


class Population(nn.Module):
    """The networks of all architectures in one: the genotype is data.

    Every layer has the parameters of its largest kind, and every block all the
    layers that it may have; ``mbconv.copy_in`` puts the variables of a
    ``Network`` in their places.

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
        genes = jnp.asarray(genotype).reshape(len(BLOCKS), len(mnasnet.GENES))
        for block, first in enumerate(BLOCKS):
            expansion, kernel, count, squeeze = genes[block]
            most = mnasnet.GENE_VALUES[block * len(mnasnet.GENES) + mnasnet.GENES.index("layers")]
            for number in range(most[-1]):
                layer = AnyMBConv(
                    _channels(self.skeleton, first.channels_out),
                    EXPANSIONS,
                    KERNELS,
                    (x.shape[-1] // SQUEEZE_RATIO,) * len(EXPANSIONS),
                    first.stride if number == 0 else 1,
                    activation=self.skeleton.activation,
                    name=_name(block, number),
                )
                y = layer(x, expansion, kernel, train, squeeze == 1)
                # A gene of 0 is one layer.
                x = jnp.where(number <= count + LAYERS[0] - 1, y, x) if number else y
        return _head(self.skeleton, self.num_classes, x, train)


def _name(block: int, number: int) -> str:
    return f"block{block}_layer{number}"


def _channels(skeleton: Skeleton, channels: int) -> int:
    return mbconv.divisible(channels * skeleton.width)


def _stem(skeleton: Skeleton, images: jax.Array, train: bool) -> jax.Array:
    channels = _channels(skeleton, mnasnet_costs.STEM_CHANNELS)
    stem = ConvBn(channels, mnasnet_costs.STEM_KERNEL, stride=2, name="stem")
    return ACTIVATIONS[skeleton.activation](stem(images, train))


def _head(skeleton: Skeleton, num_classes: int, x: jax.Array, train: bool) -> jax.Array:
    channels = _channels(skeleton, mnasnet_costs.HEAD_CHANNELS)
    x = ACTIVATIONS[skeleton.activation](ConvBn(channels, name="head")(x, train))
    return nn.Dense(num_classes, name="classifier")(layers.global_pool(x))
