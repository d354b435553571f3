"""What a network is told of a task: examples of its data set, or measurements.

Letters: ``n`` examples of ``D`` features, ``C`` pairs of an architecture and its
``S`` scores, ``m`` architectures that are asked about, ``W`` width.
"""

from __future__ import annotations

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp


class Examples(NamedTuple):
    """Examples of a data set.

    Attributes:
      features: float ``[n, D]``, of a frozen extractor; or int ``[n]``, rows of a
        table of features that goes with them.
      mask: bool ``[n]``, which are there.
    """

    features: jax.Array
    mask: jax.Array


class Pairs(NamedTuple):
    """Measured architectures: embeddings ``[C, W]``, scores ``[C, S]``, mask bool ``[C]``."""

    architectures: jax.Array
    scores: jax.Array
    mask: jax.Array


class Attention(nn.Module):
    """Queries attend to a set and to nothing; what attends to nothing gets 0.

    Attributes:
      width: ``W``.
      num_heads: heads.
    """

    width: int
    num_heads: int = 4

    @nn.compact
    def __call__(
        self, queries: jax.Array, keys: jax.Array, values: jax.Array, mask: jax.Array
    ) -> jax.Array:
        """``[q, ...], [k, ...], [k, ...], bool [k] -> [q, W]``."""
        shape = (self.num_heads, self.width // self.num_heads)
        query, key, value = (
            nn.DenseGeneral(shape, use_bias=False, name=name)(x)
            for name, x in (("query", queries), ("key", keys), ("value", values))
        )
        scores = jnp.einsum("qhd,khd->hqk", query, key) / jnp.sqrt(shape[1])
        scores = jnp.where(mask, scores, -jnp.inf)
        # One more key, of score 0 and value 0: an empty set is no special case.
        scores = jnp.concatenate([scores, jnp.zeros_like(scores[..., :1])], axis=-1)
        mixed = jnp.einsum("hqk,khd->qhd", jax.nn.softmax(scores)[..., :-1], value)
        return nn.DenseGeneral(self.width, axis=(-2, -1), use_bias=False, name="out")(mixed)


class SetEncoder(nn.Module):
    """A set transformer: one vector of a set of examples, whatever their order.

    One block of attention among the examples, then pooling by attention.  Lee
    et al., "Set Transformer", ICML 2019; Lee, Hyung and Hwang, "Rapid Neural
    Architecture Search by Learning to Generate Graphs from Datasets", ICLR
    2021, for its use on data sets.

    Attributes:
      width: ``W``.
      num_heads: heads.
    """

    width: int
    num_heads: int = 4

    @nn.compact
    def __call__(self, examples: Examples, table: jax.Array | None = None) -> jax.Array:
        """``[n, D] -> [W]``; zeros if no example is there.

        Args:
          examples: of one data set.
          table: ``[P, D]`` where ``examples`` has row numbers: under ``vmap`` it
            is embedded once for all data sets.
        """
        embed = nn.Dense(self.width, use_bias=False, name="embed")
        h = embed(examples.features) if table is None else embed(table)[examples.features]
        x = nn.LayerNorm()(h)
        h = h + Attention(self.width, self.num_heads, name="among")(x, x, x, examples.mask)
        weight = examples.mask / jnp.maximum(examples.mask.sum(), 1)
        mean = weight @ h
        x = nn.LayerNorm()(h)
        pool = Attention(self.width, self.num_heads, name="pool")
        return mean + pool(nn.LayerNorm()(mean)[None], x, x, examples.mask)[0]


class PairEncoder(nn.Module):
    """An attentive neural process: what measured architectures say of others.

    Kim et al., "Attentive Neural Processes", ICLR 2019.  Without pairs it says
    nothing, and what remains is the prior over tasks.

    Attributes:
      width: ``W``.
      num_heads: heads.
    """

    width: int
    num_heads: int = 4

    @nn.compact
    def __call__(self, asked: jax.Array, pairs: Pairs) -> jax.Array:
        """``[m, W], pairs -> [m, W]``; zeros if no pair is there."""
        told = nn.Dense(self.width, name="scores")(pairs.scores)
        told = nn.Dense(self.width, name="told")(nn.gelu(told + pairs.architectures))
        attend = Attention(self.width, self.num_heads, name="attend")
        return attend(asked, pairs.architectures, told, pairs.mask)
