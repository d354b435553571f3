"""Flax modules of stage 1: a graph encoder and the two-layer decoder.

Letters: ``B`` batch, ``N`` nodes, ``F`` node types, ``C`` channels, ``D``
width.
"""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp


class GraphAttention(nn.Module):
    """Pre-norm self-attention whose scores are biased by the adjacency.

    Each head learns one bias for "feeds", one for "is fed by".
    """

    num_heads: int

    @nn.compact
    def __call__(self, h: jax.Array, adjacency: jax.Array, mask: jax.Array) -> jax.Array:
        """``[B, N, D], [B, N, N], [B, N] -> [B, N, D]``."""
        width = h.shape[-1]
        x = nn.LayerNorm()(h)
        qkv = nn.DenseGeneral((3, self.num_heads, width // self.num_heads), name="qkv")(x)
        q, k, v = jnp.moveaxis(qkv, -3, 0)
        forward, backward = self.param("edge_bias", nn.initializers.ones, (2, self.num_heads))
        score = jnp.einsum("bihd,bjhd->bhij", q, k) / jnp.sqrt(q.shape[-1])
        score += forward[:, None, None] * adjacency[:, None]
        score += backward[:, None, None] * jnp.swapaxes(adjacency, -1, -2)[:, None]
        score = jnp.where(mask[:, None, None, :] > 0, score, jnp.finfo(score.dtype).min)
        mixed = jnp.einsum("bhij,bjhd->bihd", jax.nn.softmax(score), v)
        h = h + nn.DenseGeneral(width, axis=(-2, -1), name="out")(mixed)
        x = nn.gelu(nn.Dense(2 * width)(nn.LayerNorm()(h)))
        return h + nn.Dense(width)(x)


class GraphEncoder(nn.Module):
    """From a graph to a symmetric feature map over pairs of nodes.

    Node embeddings pass through a few adjacency-biased attention layers;
    the feature of a pair ``i <= j`` is ``MLP([h_i, h_j, A_ij])`` and stands at
    ``(i, j)`` and ``(j, i)``, so that the codes of a map are symmetric and
    its upper triangle says everything.

    Attributes:
      channels: ``C``.
      width: ``D``.
      num_layers: attention layers.
      num_heads: heads a layer.
      pair_nodes: whether the feature of a pair of two nodes knows these; without,
        it knows their link alone, and a node stands on the diagonal alone.
    """

    channels: int = 16
    width: int = 64
    num_layers: int = 2
    num_heads: int = 4
    position: bool = True
    pair_nodes: bool = True

    @nn.compact
    def __call__(self, ops: jax.Array, adjacency: jax.Array, mask: jax.Array) -> jax.Array:
        """``[B, N, F], [B, N, N], [B, N] -> [B, N, N, C]``, before any normalization."""
        num_nodes = ops.shape[-2]
        h = nn.Dense(self.width, name="embed")(ops)
        if self.position:
            h += self.param("position", nn.initializers.normal(0.02), (num_nodes, self.width))
        for _ in range(self.num_layers):
            h = GraphAttention(self.num_heads)(h, adjacency, mask)
        h = nn.LayerNorm()(h)
        # The first layer of the pair MLP acts on each node alone, N products
        # instead of N^2; only the sum and what follows run over pairs.
        source = nn.Dense(self.width, name="pair_source")(h)[:, :, None]
        target = nn.Dense(self.width, use_bias=False, name="pair_target")(h)[:, None]
        link = nn.Dense(self.width, use_bias=False, name="pair_edge")(adjacency[..., None])
        nodes = source + target
        if not self.pair_nodes:
            nodes = nodes * jnp.eye(num_nodes)[..., None]
        # Whatever is constant is centred away afterwards: no bias.
        pair = nn.Dense(self.channels, use_bias=False, name="pair_out")(nn.gelu(nodes + link))
        upper = jnp.triu(jnp.ones((num_nodes, num_nodes), bool))[..., None]
        return jnp.where(upper, pair, jnp.swapaxes(pair, 1, 2))


class GraphDecoder(nn.Module):
    """Two linear layers with one nonlinearity, from a feature map to logits.

    Attributes:
      num_ops: ``F``.
      hidden: width of the layer between.
    """

    num_ops: int
    hidden: int = 128

    @nn.compact
    def __call__(self, e: jax.Array) -> tuple[jax.Array, jax.Array]:
        """``[..., N, N, C] -> op logits [..., N, F], edge logits [..., N, N]``."""
        num_nodes = e.shape[-2]
        flat = e.reshape(*e.shape[:-3], -1)
        hidden = nn.relu(nn.Dense(self.hidden, name="first")(flat))
        logits = nn.Dense(num_nodes * (self.num_ops + num_nodes), name="second")(hidden)
        return split_logits(logits, num_nodes, self.num_ops)


def split_logits(logits: jax.Array, num_nodes: int, num_ops: int) -> tuple[jax.Array, jax.Array]:
    """``[..., N (F + N)] -> [..., N, F], [..., N, N]``, the decoder's layout."""
    op, edge = jnp.split(logits, [num_nodes * num_ops], axis=-1)
    lead = logits.shape[:-1]
    return op.reshape(*lead, num_nodes, num_ops), edge.reshape(*lead, num_nodes, num_nodes)
