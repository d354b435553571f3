"""All networks of NAS-Bench-201 as one: the cell is data.

The operations on one tensor of a cell share what they compute.  Its
convolutions are one 3x3 convolution, whose kernel is, for each edge, a 3x3
kernel, a 1x1 kernel in the middle of zeros, or zero; skip and pool are added
where the cell has them.  No case is a branch, so that the program is small and
the same under ``vmap`` and in a loop.

Letters as in ``nb201``; ``E`` edges that leave a tensor, ``F`` = ``E C``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from pnag_jax.networks import batch_last, layers
from pnag_jax.networks.nb201_skeleton import STAGES, Skeleton
from pnag_jax.spaces.nb201 import CONV1, CONV3, EDGES, POOL, SKIP

# Edges that leave each tensor but the last, in their order as genes.
LEAVING = tuple(
    tuple(edge for edge, (source, _) in enumerate(EDGES) if source == tensor) for tensor in range(3)
)


class Population(nn.Module):
    """The networks of all cells in one; ``variables_of`` takes one network out.

    Attributes:
      num_classes: logits.
      skeleton: what is around the cells.
    """

    num_classes: int
    skeleton: Skeleton = Skeleton()

    @nn.compact
    def __call__(self, genotype: jax.Array, images: jax.Array, *, train: bool = False) -> jax.Array:
        """``int32 [L], [B, H, W, C] -> [B, num_classes]``."""
        x = _Conv(self.skeleton.channels, 3, name="stem")(batch_last.from_images(images), train)
        for stage in range(STAGES):
            if stage:
                x = _Reduction(len(x) * 2, name=f"reduction{stage}")(x, train)
            for number in range(self.skeleton.cells):
                x = _Cell(name=f"stage{stage}_cell{number}")(genotype, x, train)
        x = nn.relu(_batch_norm(train)(x))
        return nn.Dense(self.num_classes, name="classifier")(jnp.mean(x, axis=(1, 2)).T)


class _Conv(nn.Module):
    """``layers.ConvBn`` with the batch last, under the same names."""

    features: int
    kernel: int = 1
    stride: int = 1

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        kernel = _Kernel(self.features, self.kernel, name="conv")(len(x))
        x = batch_last.product(kernel, batch_last.columns(x, self.kernel, self.stride))
        return _batch_norm(train)(x)


class _Kernel(nn.Module):
    """The parameter of ``layers.conv``: ``[k, k, C, features]``."""

    features: int
    kernel: int = 1

    @nn.compact
    def __call__(self, channels: int) -> jax.Array:
        shape = (self.kernel, self.kernel, channels, self.features)
        return self.param("kernel", nn.initializers.he_normal(), shape)


class _Reduction(nn.Module):
    """``nb201.Reduction`` with the batch last, under the same names."""

    features: int

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        y = _Conv(self.features, 3, stride=2, name="first")(nn.relu(x), train)
        y = _Conv(self.features, 3, name="second")(nn.relu(y), train)
        kernel = _Kernel(self.features, name="conv")(len(x))
        return y + batch_last.product(kernel, batch_last.avg_pool(x, 2, stride=2))


class _Cell(nn.Module):
    """A cell with any operations."""

    @nn.compact
    def __call__(self, genotype: jax.Array, x: jax.Array, train: bool) -> jax.Array:
        """``[L], [C, H, W, B] -> [C, H, W, B]``."""
        tensors = [x, *[jnp.zeros_like(x)] * len(LEAVING)]
        for source, edges in enumerate(LEAVING):
            ops = genotype[jnp.array(edges)]
            x = tensors[source]
            convolved = _Convolutions(len(edges), name=f"from{source}")(ops, x, train)
            pooled = batch_last.avg_pool(x)
            for op, edge, own in zip(ops, edges, convolved, strict=True):
                is_conv = (op == CONV1) | (op == CONV3)
                term = jnp.where(is_conv, own, jnp.where(op == POOL, pooled, 0))
                target = EDGES[edge][1]
                tensors[target] = tensors[target] + jnp.where(op == SKIP, x, term)
        return tensors[-1]


class _Convolutions(nn.Module):
    """ReLU, convolution, batch norm of all edges that leave one tensor.

    Attributes:
      count: ``E``.
    """

    count: int

    @nn.compact
    def __call__(self, ops: jax.Array, x: jax.Array, train: bool) -> jax.Array:
        """``[E], [C, H, W, B] -> [E, C, H, W, B]``; of another operation, nothing meant."""
        channels = len(x)
        wide = self.param(
            "conv3", nn.initializers.he_normal(batch_axis=0), (self.count, 3, 3, channels, channels)
        )
        narrow = self.param(
            "conv1", nn.initializers.he_normal(batch_axis=0), (self.count, channels, channels)
        )
        middle = jnp.zeros_like(wide).at[:, 1, 1].set(narrow)
        ops = ops[:, None, None, None, None]
        kernel = jnp.where(ops == CONV3, wide, jnp.where(ops == CONV1, middle, 0))
        kernel = jnp.moveaxis(kernel, 0, -2).reshape(-1, self.count * channels)
        y = batch_last.product(kernel, batch_last.columns(nn.relu(x), 3))
        return _batch_norm(train)(y).reshape(self.count, *x.shape)


def _batch_norm(train: bool) -> nn.BatchNorm:
    """Over all axes but the first, the channels."""
    return layers.batch_norm(train, axis=0)


def variables_of(variables: Mapping[str, Any], genotype: tuple[int, ...]) -> dict[str, Any]:
    """The variables of one ``nb201.Network`` out of those of a ``Population``.

    Args:
      variables: ``params`` and ``batch_stats`` of a population.
      genotype: six operations.

    Returns:
      What the network of that genotype takes, in its own layout.
    """
    return {
        collection: {
            name: value
            for layer, found in tree.items()
            for name, value in _of_network(layer, found, genotype)
        }
        for collection, tree in variables.items()
    }


def _of_network(
    layer: str, found: Mapping[str, Any], genotype: tuple[int, ...]
) -> list[tuple[str, Any]]:
    """Names and variables of what a top-level layer of the population is in a network."""
    if "_cell" not in layer:
        return [(layer, found)]
    ops = []
    for source, edges in enumerate(LEAVING):
        inner = found[f"from{source}"]
        for place, edge in enumerate(edges):
            name = {CONV1: "conv1", CONV3: "conv3"}.get(genotype[edge])
            if name is not None:
                own: dict[str, Any] = {
                    "bn": {k: v.reshape(len(edges), -1)[place] for k, v in inner["bn"].items()}
                }
                if name in inner:
                    kernel = inner[name][place]
                    own["conv"] = {"kernel": kernel if kernel.ndim == 4 else kernel[None, None]}
                ops.append((f"{layer}_edge{edge}", {name: own}))
    return ops
