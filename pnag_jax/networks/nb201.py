"""The networks of NAS-Bench-201.

Dong and Yang, "NAS-Bench-201: Extending the Scope of Reproducible Neural
Architecture Search", ICLR 2020, section 2: a 3x3 convolution, three stages of
equal cells with a residual block of stride 2 before the second and the third,
which doubles the channels; batch norm, ReLU, the mean over all pixels, and a
classifier.

Letters of shapes: ``B`` images, ``H`` and ``W`` their sides, ``C`` channels,
``L`` = 6 genes of a cell.
"""

from __future__ import annotations

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from pnag_jax.networks import layers
from pnag_jax.networks.layers import ConvBn, ReluConvBn
from pnag_jax.networks.nb201_population import Population
from pnag_jax.networks.nb201_skeleton import STAGES, Skeleton
from pnag_jax.spaces.nb201 import CONV1, CONV3, EDGES, NONE, POOL, SKIP

__all__ = ["Network", "Population", "Skeleton"]


class Reduction(nn.Module):
    """The residual block of stride 2 between two stages."""

    features: int

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """``[B, H, W, C] -> [B, H / 2, W / 2, features]``."""
        y = ReluConvBn(self.features, 3, stride=2, name="first")(x, train)
        y = ReluConvBn(self.features, 3, name="second")(y, train)
        return y + layers.conv(self.features)(layers.avg_pool(x, 2, stride=2))


class Op(nn.Module):
    """One operation of a cell that is known beforehand."""

    op: int

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """``[B, H, W, C] -> [B, H, W, C]``."""
        if self.op == NONE:
            return jnp.zeros_like(x)
        if self.op == SKIP:
            return x
        if self.op == POOL:
            return layers.avg_pool(x)
        kernel, name = {CONV1: (1, "conv1"), CONV3: (3, "conv3")}[self.op]
        return ReluConvBn(x.shape[-1], kernel, name=name)(x, train)


class Network(nn.Module):
    """The network of one cell; only the operations that it has are built.

    Attributes:
      genotype: six operations, in the order of ``spaces.nb201.EDGES``.
      num_classes: logits.
      skeleton: what is around the cells.
    """

    genotype: tuple[int, ...]
    num_classes: int
    skeleton: Skeleton = Skeleton()

    @nn.compact
    def __call__(self, images: jax.Array, *, train: bool = False) -> jax.Array:
        """``[B, H, W, C] -> [B, num_classes]``."""
        x = ConvBn(self.skeleton.channels, 3, name="stem")(images, train)
        for stage in range(STAGES):
            if stage:
                x = Reduction(2 * x.shape[-1], name=f"reduction{stage}")(x, train)
            for number in range(self.skeleton.cells):
                name = f"stage{stage}_cell{number}"
                ops = [Op(op, name=f"{name}_edge{i}") for i, op in enumerate(self.genotype)]
                x = _cell(ops, x, train)
        x = nn.relu(layers.batch_norm(train)(x))
        return nn.Dense(self.num_classes, name="classifier")(layers.global_pool(x))


def _cell(ops: Sequence[Op], x: jax.Array, train: bool) -> jax.Array:
    """Four tensors, each the sum of an operation on every earlier one; the last is the output."""
    tensors = [x]
    for target in range(1, 1 + max(target for _, target in EDGES)):
        terms = [
            op(tensors[source], train)
            for op, (source, end) in zip(ops, EDGES, strict=True)
            if end == target
        ]
        tensors.append(sum(terms[1:], start=terms[0]))
    return tensors[-1]
