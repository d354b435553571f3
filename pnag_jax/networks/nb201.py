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

import dataclasses
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

from pnag_jax.networks import layers
from pnag_jax.networks.layers import ConvBn, ReluConvBn
from pnag_jax.spaces.nb201 import CONV1, CONV3, EDGES, NONE, OPS, POOL, SKIP

STAGES = 3

# One operation of a cell: ``(edge, x, train) -> x``.
Apply = Callable[[int, jax.Array, bool], jax.Array]


@dataclasses.dataclass(frozen=True)
class Skeleton:
    """What is around the cells; the defaults are the benchmark's.

    Attributes:
      channels: of the first stage; each further one has twice as many.
      cells: of a stage.
    """

    channels: int = 16
    cells: int = 5


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


class AnyOp(nn.Module):
    """One operation of a cell that the data name; has the parameters of all.

    A conditional, of which only the case asked for is computed, in a loop over
    architectures; under ``vmap`` all cases, of which one is selected.
    """

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

        def make_cell(name: str, features: int) -> Apply:
            del features
            ops = [Op(op, name=f"{name}_edge{i}") for i, op in enumerate(self.genotype)]
            return lambda edge, x, train: ops[edge](x, train)

        return _around(self.skeleton, self.num_classes, make_cell, images, train)


class Population(nn.Module):
    """The networks of all cells in one: the cell is data.

    Variables have the names that ``Network`` gives them, and every edge has both
    convolutions: a network's variables laid over this one's give its logits.

    Attributes:
      num_classes: logits.
      skeleton: what is around the cells.
    """

    num_classes: int
    skeleton: Skeleton = Skeleton()

    @nn.compact
    def __call__(self, genotype: jax.Array, images: jax.Array, *, train: bool = False) -> jax.Array:
        """``int32 [L], [B, H, W, C] -> [B, num_classes]``."""

        def make_cell(name: str, features: int) -> Apply:
            ops = [AnyOp(features, name=f"{name}_edge{i}") for i in range(len(EDGES))]
            return lambda edge, x, train: ops[edge](genotype[edge], x, train)

        return _around(self.skeleton, self.num_classes, make_cell, images, train)


def _around(
    skeleton: Skeleton,
    num_classes: int,
    make_cell: Callable[[str, int], Apply],
    x: jax.Array,
    train: bool,
) -> jax.Array:
    """Stem, stages and classifier; called within a module that takes the layers in."""
    x = ConvBn(skeleton.channels, 3, name="stem")(x, train)
    for stage in range(STAGES):
        features = skeleton.channels * 2**stage
        if stage:
            x = Reduction(features, name=f"reduction{stage}")(x, train)
        for number in range(skeleton.cells):
            x = _cell(make_cell(f"stage{stage}_cell{number}", features), x, train)
    x = nn.relu(layers.batch_norm(train)(x))
    return nn.Dense(num_classes, name="classifier")(layers.global_pool(x))


def _cell(apply: Apply, x: jax.Array, train: bool) -> jax.Array:
    """Four tensors, each the sum of an operation on every earlier one; the last is the output."""
    tensors = [x]
    for target in range(1, 1 + max(target for _, target in EDGES)):
        terms = [
            apply(edge, tensors[source], train)
            for edge, (source, end) in enumerate(EDGES)
            if end == target
        ]
        tensors.append(sum(terms[1:], start=terms[0]))
    return tensors[-1]
