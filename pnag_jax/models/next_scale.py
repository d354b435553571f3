"""The next-scale prior: a transformer over the codes of all scales.

Causal between scales and bidirectional within one: all codes of a scale are
predicted at once from the scales before (Tian et al., "Visual Autoregressive
Modeling", NeurIPS 2024).  Conditions enter by adaptive layer norm (Peebles and
Xie, "Scalable Diffusion Models with Transformers", ICCV 2023, the zero form).

A code that is known is a *told* token, one that is to be predicted an *asked*
token without a value.  Told tokens see those of their own and of coarser
scales; asked tokens see told ones of coarser scales and each other.  Keys and
values of told tokens thus never change and are computed once.

Letters: ``B`` batch, ``P`` tokens of ``T`` scales, ``p_t`` of them in scale
``t``, ``V`` values of a code, ``W`` width, ``K`` tasks, ``E`` entries of a
task embedding.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from pnag_jax.models.conditions import ConditionArrays, ConditionEmbedding
from pnag_jax.training.sharding import split_examples


class Cache(NamedTuple):
    """Keys and values of all told tokens: one ``[B, told, heads, W / heads]`` a layer."""

    keys: tuple[jax.Array, ...]
    values: tuple[jax.Array, ...]


class _Product(nn.DenseGeneral):
    """``DenseGeneral`` whose kernel is brought to the examples, where devices share it."""

    @nn.compact
    def __call__(self, inputs: jax.Array) -> jax.Array:
        """``[B, ...]`` before and after."""
        return split_examples(super().__call__(split_examples(inputs)))


class _Block(nn.Module):
    """Attention and MLP, both modulated by the conditions; the identity at start."""

    num_heads: int
    dtype: Any

    @nn.compact
    def __call__(
        self,
        x: jax.Array,
        condition: jax.Array,
        mask: np.ndarray,
        earlier: tuple[jax.Array, jax.Array] | None,
    ) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
        """``[B, q, W], [B, W], [q, k]`` and earlier keys and values ``[B, k - q, ...]``.

        Returns:
          ``[B, q, W]``, and the keys and values of these ``q`` tokens.
        """
        width = x.shape[-1]
        dense = functools.partial(_Product, dtype=self.dtype, param_dtype=self.dtype)
        modulation = dense(6 * width, kernel_init=nn.initializers.zeros, name="modulation")
        parts = jnp.split(modulation(nn.silu(condition))[:, None], 6, axis=-1)
        shift, scale, gate, shift_mlp, scale_mlp, gate_mlp = parts

        h = _normed(x) * (1 + scale) + shift
        qkv = dense((3, self.num_heads, width // self.num_heads), name="qkv")(h)
        query, key, value = qkv[:, :, 0], qkv[:, :, 1], qkv[:, :, 2]
        new = key, value
        if earlier is not None:
            key = jnp.concatenate([earlier[0], key], axis=1)
            value = jnp.concatenate([earlier[1], value], axis=1)
        mixed = jax.nn.dot_product_attention(query, key, value, mask=jnp.asarray(mask)[None, None])
        x = x + gate * dense(width, axis=(-2, -1), name="out")(mixed)

        h = _normed(x) * (1 + scale_mlp) + shift_mlp
        h = dense(width, name="down")(nn.gelu(dense(4 * width, name="up")(h)))
        return x + gate_mlp * h, new


def _normed(x: jax.Array) -> jax.Array:
    """Layer norm without parameters, which the modulation brings."""
    wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    centred = wide - wide.mean(axis=-1, keepdims=True)
    variance = jnp.mean(centred**2, axis=-1, keepdims=True)
    return (centred * jax.lax.rsqrt(variance + 1e-6)).astype(x.dtype)


class NextScale(nn.Module):
    """The transformer; hashable, thus static.

    Attributes:
      sizes: ``p_t`` of every scale, coarse to fine.
      num_values: ``V``.
      num_devices: hardware that a condition can name.
      num_tasks: ``K``, tasks that a condition can name.
      embedding_size: ``E``; 0 where tasks have no embeddings.
      width: ``W``, a multiple of ``num_heads``.
      num_layers: blocks.
      num_heads: heads a block.
      dtype: of parameters, computation and logits.
      scanned: whether the layers are one loop, whose activations are computed
        again in the backward pass: time to compile and memory of one layer, for
        large models.  It can be trained so, not sampled from.
    """

    sizes: tuple[int, ...]
    num_values: int
    num_devices: int = 0
    num_tasks: int = 0
    embedding_size: int = 0
    width: int = 64
    num_layers: int = 2
    num_heads: int = 4
    dtype: Any = jnp.float32
    scanned: bool = False

    def setup(self) -> None:
        embed = functools.partial(nn.Embed, features=self.width, dtype=self.dtype)
        embed = functools.partial(embed, param_dtype=self.dtype)
        self.position = embed(sum(self.sizes))
        self.value = embed(self.num_values)
        self.kind = embed(2)  # told, asked
        self.condition = ConditionEmbedding(
            self.num_devices, self.num_tasks, self.embedding_size, self.width, self.dtype
        )
        if self.scanned:
            loop = nn.scan(
                nn.remat(_Block, prevent_cse=False),
                variable_axes={"params": 0},
                split_rngs={"params": True},
                in_axes=nn.broadcast,
                length=self.num_layers,
            )
            self.layers = loop(self.num_heads, self.dtype)
        else:
            self.blocks = [_Block(self.num_heads, self.dtype) for _ in range(self.num_layers)]
        dense = functools.partial(nn.Dense, dtype=self.dtype, param_dtype=self.dtype)
        self.last_modulation = dense(2 * self.width, kernel_init=nn.initializers.zeros)
        self.head = dense(self.num_values)

    def __call__(self, codes: jax.Array, conditions: ConditionArrays) -> jax.Array:
        """Logits of every code given the codes of coarser scales.

        Args:
          codes: int ``[B, P]``, scale after scale.
          conditions: leaves of ``[B, ...]``.

        Returns:
          ``[B, P, V]``.  Those of a scale do not depend on the codes of that
          scale or of finer ones.
        """
        condition = self.condition(conditions)
        told = sum(self.sizes[:-1])  # nothing is predicted from the last scale
        x = self._tokens(codes[:, :told], 0, sum(self.sizes), 0)
        mask = teacher_mask(self.sizes)
        if self.scanned:
            x, _ = self.layers(x, condition, mask, None)
        else:
            for block in self.blocks:
                x, _ = block(x, condition, mask, None)
        return self._logits(x[:, told:], condition)

    def embed_conditions(self, conditions: ConditionArrays) -> jax.Array:
        """What ``predict`` takes: ``[B, W]``."""
        return self.condition(conditions)

    def predict(
        self, scale: int, codes: jax.Array, condition: jax.Array, cache: Cache | None
    ) -> tuple[jax.Array, Cache]:
        """Logits of one scale, given the caches of those before.

        Args:
          scale: ``t``, from 0; static.
          codes: int ``[B, p_{t-1}]``, those of the scale before; ``[B, 0]`` at first.
          condition: from ``embed_conditions``.
          cache: what the call for scale ``t - 1`` returned; None at first.

        Returns:
          Logits ``[B, p_t, V]``, and the cache with the scale before in it.
        """
        first, told = sum(self.sizes[:scale]), codes.shape[1]
        x = self._tokens(codes, first - told, self.sizes[scale], first)
        # Told tokens see all told ones, asked ones see everything.
        mask = np.ones((x.shape[1], first + self.sizes[scale]), bool)
        mask[:told, first:] = False
        keys, values = [], []
        for i, block in enumerate(self.blocks):
            earlier = None if cache is None else (cache.keys[i], cache.values[i])
            x, (key, value) = block(x, condition, mask, earlier)
            key, value = key[:, :told], value[:, :told]
            if earlier is not None:
                key = jnp.concatenate([earlier[0], key], axis=1)
                value = jnp.concatenate([earlier[1], value], axis=1)
            keys.append(key)
            values.append(value)
        return self._logits(x[:, told:], condition), Cache(tuple(keys), tuple(values))

    def _tokens(self, codes: jax.Array, told: int, count: int, asked: int) -> jax.Array:
        """Told tokens of ``codes [B, q]``, then ``count`` asked ones: ``[B, q + count, W]``.

        ``told`` and ``asked`` are the positions of the first of each.
        """
        batch, known = codes.shape
        place = self.position(np.r_[told : told + known, asked : asked + count])
        place += self.kind(np.repeat([0, 1], [known, count]))
        values = jnp.pad(self.value(codes), ((0, 0), (0, count), (0, 0)))
        return jnp.broadcast_to(place, (batch, *place.shape)) + values

    def _logits(self, x: jax.Array, condition: jax.Array) -> jax.Array:
        shift, scale = jnp.split(self.last_modulation(nn.silu(condition))[:, None], 2, axis=-1)
        return self.head(_normed(x) * (1 + scale) + shift)


def teacher_mask(sizes: tuple[int, ...]) -> np.ndarray:
    """Which tokens see which when all codes are known: bool ``[q, q]``.

    Rows and columns are the told tokens of all scales but the last, then the
    asked tokens of all scales.

    >>> teacher_mask((1, 2)).astype(int)  # told; asked of scale 0; two asked of scale 1
    array([[1, 0, 0, 0],
           [0, 1, 0, 0],
           [1, 0, 1, 1],
           [1, 0, 1, 1]])
    """
    scale = np.repeat(np.arange(len(sizes)), sizes)
    told = scale[: sum(sizes[:-1])]
    return np.block(
        [
            [told[:, None] >= told, np.zeros((len(told), len(scale)), bool)],
            [scale[:, None] > told, scale[:, None] == scale],
        ]
    )
