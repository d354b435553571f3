"""Size as a proxy: what every other score has to beat.

White, Khodak, Tu, Shah, Bubeck and Dey, "A Deeper Look at Zero-Cost Proxies for
Lightweight NAS", ICLR Blog Track 2022: few proxies rank better than these two.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

from pnag_jax.networks import counting
from pnag_jax.proxies.base import Probe, Proxy


def _params(probe: Probe) -> jax.Array:
    return jnp.float32(sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(probe.params)))


def _flops(probe: Probe) -> jax.Array:
    """Multiply-accumulates of one example."""

    def forward(params: object, inputs: jax.Array) -> jax.Array:
        return probe.forward(params, inputs, False)

    return jnp.float32(counting.products(forward, probe.params, probe.inputs[:1]))


PARAMS = Proxy("params", _params, cost="params")
FLOPS = Proxy("flops", _flops, cost="flops")
