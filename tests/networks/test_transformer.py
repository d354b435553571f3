"""Layers of transformers by hand."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from pnag_jax.networks import transformer


def test_shares_are_of_the_tokens_so_far():
    found = transformer.causal_softmax(jnp.zeros((1, 3, 3)))[0]
    np.testing.assert_allclose(found, [[1, 0, 0], [1 / 2, 1 / 2, 0], [1 / 3, 1 / 3, 1 / 3]])


def test_scores_and_mixtures_are_sums_over_the_right_axes():
    rng = np.random.default_rng(0)
    q, k = rng.normal(size=(2, 2, 3, 4, 5))
    found = transformer.scores(q, k)
    assert found.shape == (2, 4, 3, 3)
    np.testing.assert_allclose(found[1, 3, 0, 2], q[1, 0, 3] @ k[1, 2, 3], rtol=1e-5)
    shares = rng.normal(size=(2, 4, 3, 3))
    found = transformer.mixed(shares, k)
    np.testing.assert_allclose(found[1, 2, 3], shares[1, 3, 2] @ k[1, :, 3], rtol=1e-5)


def test_the_inner_layer_has_its_own_width():
    mlp = transformer.Mlp(7, nn.relu)
    variables = mlp.init(jax.random.key(0), jnp.ones((2, 3)))
    shapes = {name: layer["kernel"].shape for name, layer in variables["params"].items()}
    assert shapes == {"first": (3, 7), "second": (7, 3)}
