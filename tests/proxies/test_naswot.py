"""Kernels of rectifiers and correlations of Jacobians, against values by hand."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax import proxies
from pnag_jax.errors import UsageError
from pnag_jax.proxies import Probe, rectifiers

# Two rectifiers, one for either sign: examples 0 and 2 switch alike.
INPUTS = jnp.array([[1.0], [-1.0], [2.0]])
SIGNS = jnp.array([[1.0, -1.0]])
AGREEMENT = np.array([[2, 0, 2], [0, 2, 0], [2, 0, 2]])


def plain(x):
    return jax.nn.relu(x @ SIGNS)


def within_jit(x):
    return jax.jit(plain)(x)


def within_remat(x):
    return jax.checkpoint(plain)(x)


def within_cond(x):
    # Only the branch that is taken counts.
    branches = [lambda x: jnp.zeros((3, 2)), plain, lambda x: plain(plain(x) @ SIGNS.T)]
    return jax.lax.switch(jnp.int32(1), branches, x)


@pytest.mark.parametrize("forward", [plain, within_jit, within_remat, within_cond])
def test_rectifiers_agree_wherever_they_stand(forward):
    np.testing.assert_array_equal(rectifiers.agreement(forward, INPUTS), AGREEMENT)
    np.testing.assert_array_equal(
        jax.jit(lambda x: rectifiers.agreement(forward, x))(INPUTS), AGREEMENT
    )


def test_every_round_of_a_scan_counts():
    def forward(x):
        def step(x, _):
            y = plain(x)
            return y @ SIGNS.T, y

        return jax.lax.scan(step, x, None, length=3)

    # Magnitudes keep their sign through a round.
    np.testing.assert_array_equal(rectifiers.agreement(forward, INPUTS), 3 * AGREEMENT)


@pytest.mark.parametrize("name", rectifiers.NAMES)
def test_other_activations_have_their_threshold_at_0_too(name):
    found = rectifiers.agreement(lambda x: getattr(jax.nn, name)(x @ SIGNS), INPUTS)
    np.testing.assert_array_equal(found, AGREEMENT)


def test_vmap_is_a_loop():
    def forward(op, x):
        return jax.lax.switch(op, [lambda x: x @ SIGNS, plain], x)

    def of(op):
        return rectifiers.agreement(lambda x: forward(op, x), INPUTS)

    np.testing.assert_array_equal(
        jax.vmap(of)(jnp.arange(2)), np.stack([np.zeros_like(AGREEMENT), AGREEMENT])
    )


def test_a_network_without_rectifiers_is_refused():
    with pytest.raises(UsageError, match="without rectifiers"):
        rectifiers.agreement(lambda x: x @ SIGNS, INPUTS)


def test_a_loop_of_unknown_length_is_refused():
    def forward(x):
        return jax.lax.while_loop(lambda x: x.sum() > 9, lambda x: plain(x) @ SIGNS.T, x)

    with pytest.raises(UsageError, match="in a while loop"):
        rectifiers.agreement(forward, INPUTS)


def probe_of(function, inputs) -> Probe:
    return Probe(lambda params, x, train: function(x), {}, inputs, jnp.zeros(len(inputs), int))


def test_naswot_is_the_log_determinant_of_the_agreement():
    score = proxies.get("naswot").score
    assert score(probe_of(plain, INPUTS[:2])) == pytest.approx(np.log(4))
    # Two rows of the kernel are equal.
    assert score(probe_of(plain, INPUTS)) == -np.inf


def test_jacobians_that_do_not_correlate_score_best():
    score = proxies.get("jacob_cov").score
    # The gradient of x**2 / 2 is x: rows whose correlation is 0, and 1.
    apart = jnp.array([[1.0, -1.0, 0.0], [1.0, 1.0, -2.0]])
    alike = jnp.array([[1.0, -1.0, 0.0], [2.0, -2.0, 0.0]])
    best = score(probe_of(lambda x: x**2 / 2, apart))
    assert best == pytest.approx(-2 * (np.log1p(1e-5) + 1 / (1 + 1e-5)), rel=1e-4)
    assert score(probe_of(lambda x: x**2 / 2, alike)) < best - 1e3
