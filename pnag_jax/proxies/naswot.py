"""How well the untrained rectifiers tell examples apart.

Mellor et al., "Neural Architecture Search without Training", ICML 2021.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from pnag_jax.proxies import rectifiers
from pnag_jax.proxies.base import Probe, Proxy


def naswot(probe: Probe) -> jax.Array:
    """``log |det K|``, where ``K[i, j]`` rectifiers are on, or off, for both ``i`` and ``j``.

    ``-inf`` where two examples switch all rectifiers alike.
    """

    def forward(inputs: jax.Array) -> jax.Array:
        return probe.forward(probe.params, inputs, True)

    return jnp.linalg.slogdet(rectifiers.agreement(forward, probe.inputs)).logabsdet


NASWOT = Proxy("naswot", naswot)
