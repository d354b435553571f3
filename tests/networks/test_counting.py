"""Counts against values worked out by hand."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

from pnag_jax.networks import counting


class Little(nn.Module):
    """A strided depthwise convolution with bias, a product with itself, a dense layer."""

    @nn.compact
    def __call__(self, x):
        x = nn.Conv(6, (3, 3), strides=2, feature_group_count=3)(x)
        rows = x.reshape(4, 6)
        mixed = jnp.einsum("ij,kj->ik", rows, rows)
        return nn.Dense(5)(mixed)


INPUT = jax.ShapeDtypeStruct((1, 4, 4, 3), jnp.float32)


def test_params():
    assert counting.params(Little(), INPUT) == (9 * 6 + 6) + (4 * 5 + 5)


def test_flops():
    convolution = 2 * 2 * 6 * 9  # each channel out sees one channel in
    product, dense = 4 * 4 * 6, 4 * 4 * 5
    assert counting.flops(Little(), INPUT) == convolution + product + dense
    assert counting.flops(Little(), INPUT, dense_bias=True) == convolution + product + dense + 20


class Branching(nn.Module):
    """Three times the larger of two branches."""

    @nn.compact
    def __call__(self, which, x):
        small, large = self.param("small", nn.zeros, (4, 1)), self.param("large", nn.zeros, (4, 4))

        def body(carry, _):
            branches = (lambda: (carry @ small) * jnp.ones(4), lambda: carry @ large)
            return jax.lax.switch(which, branches), None

        return jax.lax.scan(body, x, None, length=3)[0]


def test_loops_count_as_often_as_they_run_and_branches_as_the_largest():
    inputs = jax.ShapeDtypeStruct((), jnp.int32), jax.ShapeDtypeStruct((2, 4), jnp.float32)
    assert counting.flops(Branching(), *inputs) == 3 * 2 * 4 * 4
