"""How alike the network treats different examples, by its Jacobian.

Mellor et al., "Neural Architecture Search without Training", arXiv 2006.04647,
first version; the name is that of Abdelfattah et al., ICLR 2021.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from pnag_jax.proxies.base import Probe, Proxy

# Added to eigenvalues, of which some are 0.
_EPSILON = 1e-5


def jacob_cov(probe: Probe) -> jax.Array:
    """``-sum log(v + k) + 1 / (v + k)`` over the eigenvalues of the correlations.

    The correlations are those of the examples' rows ``d(sum of logits) / d(input)``.
    """

    def summed(inputs: jax.Array) -> jax.Array:
        return probe.forward(probe.params, inputs, True).sum()

    rows = jax.grad(summed)(probe.inputs).reshape(len(probe.inputs), -1)
    eigenvalues = jnp.linalg.eigvalsh(jnp.corrcoef(rows)) + _EPSILON
    return -jnp.sum(jnp.log(eigenvalues) + 1 / eigenvalues)


JACOB_COV = Proxy("jacob_cov", jacob_cov, gradients_of_inputs=True)
