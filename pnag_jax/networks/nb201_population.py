"""All networks of NAS-Bench-201 as one: the cell is data.

An operation is a branch that the genotype chooses: in a loop over networks only what a
cell has is computed, and a random one has a 3x3 convolution on one edge of five.
Under ``vmap`` over genotypes all branches are, for all networks at once.  The cells of a
stage are a loop, so that what is compiled does not grow with them.

Letters as in ``nb201``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from pnag_jax.networks import batch_last, layers
from pnag_jax.networks.nb201_skeleton import STAGES, Skeleton
from pnag_jax.spaces.nb201 import CONV1, CONV3, EDGES, NONE, POOL, SKIP

_TENSORS = 1 + max(target for _, target in EDGES)


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
            cells = nn.scan(
                _Cell,
                variable_axes={"params": 0, "batch_stats": 0},
                split_rngs={"params": True},
                in_axes=nn.broadcast,
                length=self.skeleton.cells,
            )
            x, _ = cells(train, name=f"stage{stage}")(x, genotype)
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
    """A cell with any operations; a turn of a loop."""

    train: bool

    @nn.compact
    def __call__(self, x: jax.Array, genotype: jax.Array) -> tuple[jax.Array, None]:
        """``[C, H, W, B], [L] -> [C, H, W, B]``."""
        tensors = [x, *[jnp.zeros_like(x)] * (_TENSORS - 1)]
        for edge, (source, target) in enumerate(EDGES):
            y = _Edge(self.train, name=f"edge{edge}")(genotype[edge], tensors[source])
            tensors[target] = tensors[target] + y
        return tensors[-1], None


class _Edge(nn.Module):
    """Any operation of a cell."""

    train: bool

    @nn.compact
    def __call__(self, op: jax.Array, x: jax.Array) -> jax.Array:
        """``[], [C, H, W, B] -> [C, H, W, B]``."""
        wide = _Kernel(len(x), 3, name="conv3")(len(x))
        narrow = _Kernel(len(x), 1, name="conv1")(len(x))
        y = _apply(op, wide, narrow, x)
        is_conv = (op == CONV1) | (op == CONV3)
        return jnp.where(is_conv, _batch_norm(self.train)(y), y)


def _apply(op: jax.Array, wide: jax.Array, narrow: jax.Array, x: jax.Array) -> jax.Array:
    """An operation, a convolution without its batch norm.

    Args:
      op: int32 ``[]``.
      wide: ``[3, 3, C, C]``.
      narrow: ``[1, 1, C, C]``.
      x: ``[C, H, W, B]``; the result has its shape.
    """

    def convolved(kernel: jax.Array) -> jax.Array:
        return batch_last.product(kernel, batch_last.columns(nn.relu(x), len(kernel)))

    cases: dict[int, Callable[[], jax.Array]] = {
        NONE: lambda: jnp.zeros_like(x),
        SKIP: lambda: x,
        CONV1: lambda: convolved(narrow),
        CONV3: lambda: convolved(wide),
        POOL: lambda: batch_last.avg_pool(x),
    }
    # What a branch keeps for its gradient has room in the others too, filled with zeros:
    # computing the columns again costs less.
    return jax.lax.switch(op, [jax.checkpoint(cases[number]) for number in range(len(cases))])


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
    if not layer.startswith("stage"):
        return [(layer, found)]
    ops = []
    for cell in range(len(jax.tree.leaves(found)[0])):
        for edge, op in enumerate(genotype):
            name, inner = {CONV1: "conv1", CONV3: "conv3"}.get(op), found[f"edge{edge}"]
            if name is None:
                continue
            own: dict[str, Any] = {"bn": {key: value[cell] for key, value in inner["bn"].items()}}
            if name in inner:
                own["conv"] = {"kernel": inner[name]["kernel"][cell]}
            ops.append((f"{layer}_cell{cell}_edge{edge}", {name: own}))
    return ops
