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

from collections.abc import Callable, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from pnag_jax.networks import layers
from pnag_jax.networks.layers import ConvBn, ReluConvBn
from pnag_jax.networks.nb201_population import Population
from pnag_jax.networks.nb201_skeleton import STAGES, Skeleton
from pnag_jax.spaces.nb201 import CONV1, CONV3, EDGES, NONE, OPS, POOL, SKIP

__all__ = ["Branches", "Network", "Population", "Skeleton"]

# One operation of a cell: ``(x, train) -> x``.
Apply = Callable[[jax.Array, bool], jax.Array]


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

        def make_op(edge: int, features: int, name: str) -> Apply:
            del features
            return Op(self.genotype[edge], name=name)

        return around(self.skeleton, self.num_classes, make_op, images, train)


class Branches(nn.Module):
    """The networks of all cells in one, each operation a branch that the data choose.

    Rectifiers, kernels and the names of variables are those of ``Network``, and only
    what a cell has is computed: for those who look into many networks.  It trains
    slower than ``Population``.

    Attributes:
      num_classes: logits.
      skeleton: what is around the cells.
    """

    num_classes: int
    skeleton: Skeleton = Skeleton()

    @nn.compact
    def __call__(self, genotype: jax.Array, images: jax.Array, *, train: bool = False) -> jax.Array:
        """``int32 [L], [B, H, W, C] -> [B, num_classes]``."""

        def make_op(edge: int, features: int, name: str) -> Apply:
            op = AnyOp(features, name=name)
            return lambda x, train: op(genotype[edge], x, train)

        return around(self.skeleton, self.num_classes, make_op, images, train)


class AnyOp(nn.Module):
    """One operation of a cell that the data name; has the parameters of all."""

    features: int

    def setup(self) -> None:
        self.conv1 = ReluConvBn(self.features, 1)
        self.conv3 = ReluConvBn(self.features, 3)

    def __call__(self, op: jax.Array, x: jax.Array, train: bool) -> jax.Array:
        """``[], [B, H, W, C] -> [B, H, W, C]``."""
        cases: dict[int, Callable[[AnyOp, jax.Array], jax.Array]] = {
            NONE: lambda self, x: jnp.zeros_like(x),
            SKIP: lambda self, x: x,
            CONV1: lambda self, x: self.conv1(x, train),
            CONV3: lambda self, x: self.conv3(x, train),
            POOL: lambda self, x: layers.avg_pool(x),
        }
        branches = [cases[number] for number in range(len(OPS))]
        if self.is_initializing():
            for branch in branches:  # a conditional cannot make parameters
                branch(self, x)
        return nn.switch(op, branches, self, x)


def around(
    skeleton: Skeleton,
    num_classes: int,
    make_op: Callable[[int, int, str], Apply],
    x: jax.Array,
    train: bool,
) -> jax.Array:
    """Stem, stages and classifier; called within a module, which takes the layers in.

    Args:
      skeleton: of the network.
      num_classes: logits.
      make_op: ``(edge, channels, name) -> operation``.
      x: images ``[B, H, W, C]``.
      train: as ``Network`` takes it.

    Returns:
      ``[B, num_classes]``.
    """
    x = ConvBn(skeleton.channels, 3, name="stem")(x, train)
    for stage in range(STAGES):
        if stage:
            x = Reduction(2 * x.shape[-1], name=f"reduction{stage}")(x, train)
        for number in range(skeleton.cells):
            name, features = f"stage{stage}_cell{number}", x.shape[-1]
            ops = [make_op(edge, features, f"{name}_edge{edge}") for edge in range(len(EDGES))]
            x = _cell(ops, x, train)
    x = nn.relu(layers.batch_norm(train)(x))
    return nn.Dense(num_classes, name="classifier")(layers.global_pool(x))


def _cell(ops: Sequence[Apply], x: jax.Array, train: bool) -> jax.Array:
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
