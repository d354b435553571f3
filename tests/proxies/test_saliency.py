"""Scores of weights, against values worked out by hand."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax import proxies
from pnag_jax.proxies import Probe

# Logits ln 3 and 0 give the probabilities 3/4 and 1/4.
LOG3 = float(np.log(3))


def linear(params, inputs, train):
    return inputs @ params["dense"]["kernel"] + params["dense"]["bias"]


@pytest.fixture(scope="module")
def probe() -> Probe:
    """One example that sees only the first row of the weights, and is of class 0."""
    kernel = jnp.array([[LOG3, 0.0], [5.0, -7.0]])
    params = {"dense": {"kernel": kernel, "bias": jnp.zeros(2)}}
    return Probe(linear, params, jnp.array([[1.0, 0.0]]), jnp.array([0]))


# The gradient by the first row is p - y = (-1/4, 1/4); the Hessian there is
# p q ((1, -1), (-1, 1)) with p q = 3/16, so H g = (-3/32, 3/32).
BY_HAND = {
    "grad_norm": np.sqrt(2) / 4,
    "snip": LOG3 / 4,
    "grasp": LOG3 * 3 / 32,
}


@pytest.mark.parametrize("name", BY_HAND)
def test_values_worked_out_by_hand(name, probe):
    assert proxies.get(name).score(probe) == pytest.approx(BY_HAND[name], rel=1e-5)
    assert jax.jit(lambda: proxies.get(name).score(probe))() == pytest.approx(
        BY_HAND[name], rel=1e-5
    )


def chain(params, inputs, train):
    return inputs @ params["a"]["kernel"] @ params["b"]["kernel"]


def test_synflow_counts_paths_by_their_magnitudes():
    params = {
        "a": {"kernel": jnp.array([[2.0, -3.0]])},
        "b": {"kernel": jnp.array([[-1.0], [4.0]])},
    }
    probe = Probe(chain, params, jnp.array([[-9.0], [8.0]]), jnp.array([0, 0]))
    # R = 2 * 1 + 3 * 4, and w dR/dw sums to R in each of the two layers.
    assert proxies.get("synflow").score(probe) == pytest.approx(np.log(2 * 14))


def test_a_network_without_a_path_has_no_flow():
    params = {"a": {"kernel": jnp.zeros((1, 2))}, "b": {"kernel": jnp.ones((2, 1))}}
    probe = Probe(chain, params, jnp.ones((1, 1)), jnp.array([0]))
    assert proxies.get("synflow").score(probe) == -np.inf


def test_biases_are_no_weights(probe):
    moved = {"dense": probe.params["dense"] | {"bias": jnp.array([2.0, 2.0])}}
    for name in BY_HAND:
        shifted = proxies.get(name).score(probe._replace(params=moved))
        assert shifted == pytest.approx(BY_HAND[name], rel=1e-5)
