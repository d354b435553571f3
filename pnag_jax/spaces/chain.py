"""What spaces of chains share: layers one after the other, each of some kind.

Letters: ``N`` nodes, input and output included, ``N - 2`` layers.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from pnag_jax.spaces.base import Graph, Labels


def graph(kinds: jax.Array, num_kinds: int) -> Graph:
    """One chain from input to output.

    Args:
      kinds: int ``[N - 2]``, the kind of each layer.
      num_kinds: of layers.  Node type 0 is the input, then come the kinds,
        the output last.
    """
    num_ops = num_kinds + 2
    inner = jax.nn.one_hot(kinds + 1, num_ops)
    ends = jax.nn.one_hot(jnp.array([0, num_ops - 1]), num_ops)
    num_nodes = len(kinds) + 2
    return Graph(
        ops=jnp.concatenate([ends[:1], inner, ends[1:]]),
        adjacency=jnp.eye(num_nodes, k=1),
        mask=jnp.ones(num_nodes),
    )


def labels(names: tuple[str, ...]) -> Labels:
    """Input, the named layers and output in a row."""
    return Labels(
        nodes=("input", *names, "output"),
        edges=tuple((i, i + 1, "") for i in range(len(names) + 1)),
    )


def kept(num_layers: int, count: int) -> np.ndarray:
    """Which layers a coarse version keeps: bool ``[num_layers]``, ``count`` of them.

    With the depth cut into ``count`` equal regions, the layer in the middle of
    each region stays.
    """
    middles = (2 * np.arange(count) + 1) * num_layers // (2 * count)
    return np.isin(np.arange(num_layers), middles)


def total(kinds: ArrayLike, per_layer: np.ndarray, fixed: int) -> jax.Array:
    """Cost of a network: float32 ``[...]``.

    Summed as integers, so that the result is the nearest to the truth.

    Args:
      kinds: int ``[..., N - 2]``.
      per_layer: int32 ``[N - 2, kinds]``, the cost of every kind in every layer.
      fixed: cost of all that is not searched.
    """
    costs = jnp.asarray(per_layer)[jnp.arange(len(per_layer)), jnp.asarray(kinds)]
    return (fixed + costs.sum(-1)).astype(jnp.float32)
