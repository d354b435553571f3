"""What networks of attention layers share.

Letters of shapes: ``B`` examples, ``T`` tokens, ``D`` width of the model, ``H``
heads, ``K`` width of a head.
"""

from __future__ import annotations

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

INIT = nn.initializers.normal(0.02)


class Mlp(nn.Module):
    """Two dense layers, the inner one of its own width.

    Attributes:
      inner: that width.
      activation: between them.
    """

    inner: int
    activation: Callable[[jax.Array], jax.Array]

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """``[..., D] -> [..., D]``."""
        hidden = self.activation(nn.Dense(self.inner, kernel_init=INIT, name="first")(x))
        return nn.Dense(x.shape[-1], kernel_init=INIT, name="second")(hidden)


def heads(x: jax.Array, count: int, width: int, name: str, bias: bool = True) -> jax.Array:
    """A dense layer cut into heads; within a compact module: ``[B, T, D] -> [B, T, H, K]``."""
    dense = nn.DenseGeneral((count, width), use_bias=bias, kernel_init=INIT, name=name)
    return dense(x)


def merged(x: jax.Array, features: int, name: str, bias: bool = True) -> jax.Array:
    """A dense layer over all heads: ``[B, T, H, K] -> [B, T, features]``."""
    dense = nn.DenseGeneral(features, axis=(-2, -1), use_bias=bias, kernel_init=INIT, name=name)
    return dense(x)


def scores(q: jax.Array, k: jax.Array) -> jax.Array:
    """Products of queries and keys, not scaled: ``[B, T, H, K] -> [B, H, T, T]``."""
    return jnp.einsum("bqhk,bshk->bhqs", q, k)


def mixed(shares: jax.Array, v: jax.Array) -> jax.Array:
    """Values weighted by shares: ``[B, H, T, T], [B, T, H, K] -> [B, T, H, K]``."""
    return jnp.einsum("bhqs,bshk->bqhk", shares, v)


def causal_softmax(x: jax.Array) -> jax.Array:
    """Shares of the tokens up to each: ``[..., T, T] -> [..., T, T]``."""
    seen = jnp.tril(jnp.ones(x.shape[-2:], bool))
    return jax.nn.softmax(jnp.where(seen, x, jnp.finfo(x.dtype).min), axis=-1)
