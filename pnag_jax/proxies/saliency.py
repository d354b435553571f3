"""Proxies that sum what single weights do, over all weights.

In the form in which Abdelfattah et al., "Zero-Cost Proxies for Lightweight NAS",
ICLR 2021, made criteria of pruning into scores of networks.  ``w`` is a weight,
``L`` the loss on the batch, ``g`` its gradient, ``H`` its Hessian.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from pnag_jax.proxies.base import Probe, Proxy, map_weights, total


def grad_norm(probe: Probe) -> jax.Array:
    """The sum of the layers' Euclidean norms of ``g``."""
    gradient = jax.grad(probe.loss)(probe.params)
    return total(map_weights(jnp.linalg.norm, jax.tree.map(jnp.ravel, gradient)))


def snip(probe: Probe) -> jax.Array:
    """``sum |w g|``; Lee et al., "SNIP", ICLR 2019."""
    gradient = jax.grad(probe.loss)(probe.params)
    return total(map_weights(lambda w, g: jnp.abs(w * g), probe.params, gradient))


def grasp(probe: Probe) -> jax.Array:
    """``-sum w (H g)``; Wang et al., "Picking Winning Tickets", ICLR 2020."""
    # The Hessian is taken by the weights alone, as the gradient that it meets is.
    gradient, along = jax.jvp(
        jax.grad(probe.loss), (probe.params,), (_of_weights(jax.grad(probe.loss)(probe.params)),)
    )
    del gradient
    return -total(map_weights(jnp.multiply, probe.params, along))


def synflow(probe: Probe) -> jax.Array:
    """``log sum w dR/dw``; Tanaka et al., "Pruning neural networks without any data", NeurIPS 2020.

    ``R`` is the sum of the outputs for an input of ones, all weights replaced by
    their magnitudes, and without batch norm (that of an untrained network, with
    its running moments, changes nothing).  The logarithm keeps the order and is
    a number that can be stored; a network without a path scores ``-inf``.
    """
    ones = jnp.ones_like(probe.inputs[:1])

    def flow(params: Mapping[str, Any]) -> jax.Array:
        return probe.forward(params, ones, False).sum()

    params = jax.tree.map(jnp.abs, probe.params)
    return jnp.log(total(map_weights(jnp.multiply, params, jax.grad(flow)(params))))


def _of_weights(tree: Any) -> Any:
    """The tree with 0 where no weight is."""

    def keep(path: tuple[Any, ...], leaf: jax.Array) -> jax.Array:
        return leaf if getattr(path[-1], "key", None) == "kernel" else jnp.zeros_like(leaf)

    return jax.tree_util.tree_map_with_path(keep, tree)


GRAD_NORM = Proxy("grad_norm", grad_norm, by_weights=True)
SNIP = Proxy("snip", snip, by_weights=True)
GRASP = Proxy("grasp", grasp, by_weights=True)
SYNFLOW = Proxy("synflow", synflow, double=True, by_weights=True)
