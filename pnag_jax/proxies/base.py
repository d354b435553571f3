"""What a zero-cost proxy is: a score of an untrained network, from one batch.

Letters of shapes: ``B`` examples of the batch, ``C`` classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax


class Probe(NamedTuple):
    """An untrained network and what is shown to it.

    Attributes:
      forward: ``(params, inputs, train) -> logits [B, ..., C]``; ``train`` says
        whether batch norm takes the moments of the batch.
      params: of the network; its weights are the leaves called ``kernel``.
      inputs: ``[B, ...]``.
      labels: int32, the shape of the logits without their last axis.
    """

    forward: Callable[[Any, jax.Array, bool], jax.Array]
    params: Mapping[str, Any]
    inputs: jax.Array
    labels: jax.Array

    def loss(self, params: Mapping[str, Any]) -> jax.Array:
        """Mean cross entropy with the batch's own moments; a scalar."""
        logits = self.forward(params, self.inputs, True)
        return optax.softmax_cross_entropy_with_integer_labels(logits, self.labels).mean()


class Proxy(NamedTuple):
    """One proxy.

    Attributes:
      name: in the registry.
      score: ``Probe -> scalar``; more promises a better accuracy.  Pure, under
        ``jit`` and ``vmap``.
      gradients_of_inputs: whether it differentiates by the inputs, which tokens
        do not allow.
      double: whether its values leave the range of float32 on networks of usual
        depth, so that it is computed in float64.
      by_weights: whether what it sums over weights is 0 for one that does not count,
        so that an architecture can be scored within the network of all.
      cost: the function of every space that says it of a genotype, for networks
        with the skeleton of the literature; None where networks have to be built.
    """

    name: str
    score: Callable[[Probe], jax.Array]
    gradients_of_inputs: bool = False
    double: bool = False
    by_weights: bool = False
    cost: str | None = None


def map_weights(function: Callable[..., jax.Array], first: Any, *rest: Any) -> list[jax.Array]:
    """``function`` of the weights of one tree or several of the same structure.

    Weights are kernels: of convolutions and of dense layers, neither biases nor
    what batch norm scales by.
    """
    paths, _ = jax.tree_util.tree_flatten_with_path(first)
    others = [jax.tree.leaves(tree) for tree in rest]
    return [
        function(leaf, *(other[i] for other in others))
        for i, (path, leaf) in enumerate(paths)
        if getattr(path[-1], "key", None) == "kernel"
    ]


def total(values: list[jax.Array]) -> jax.Array:
    """Their sum; a scalar."""
    return jnp.stack([jnp.sum(value) for value in values]).sum()
