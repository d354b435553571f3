"""Adaptive embeddings and the adaptive softmax over the same words.

Grave et al., "Efficient softmax approximation for GPUs", ICML 2017; Baevski and
Auli, "Adaptive Input Representations for Neural Language Modeling", ICLR 2019.
Rare words have shorter vectors, and share what is told of their bin.

Letters: ``B`` sequences, ``T`` tokens, ``D`` width of the model, ``V`` words.
"""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from pnag_jax.networks.transformer import INIT
from pnag_jax.spaces import gpt2_costs


class AdaptiveWords(nn.Module):
    """Words on their way in (``embed``) and out (``logits``).

    Attributes:
      bins: words of every bin, the most frequent ones first.
      d_model: ``D``.
      d_embed: length of a vector in the first bin.
      div_val: how many times shorter those of each further bin are; with 1 all
        words are in one table.
    """

    bins: tuple[int, ...]
    d_model: int
    d_embed: int
    div_val: int

    def setup(self) -> None:
        widths = gpt2_costs.bin_widths(len(self.bins), self.d_embed, self.div_val)
        tables = list(zip(self.bins, widths, strict=True))
        if self.div_val == 1:
            tables = [(sum(self.bins), self.d_embed)]
        self.words = [self.param(f"words{i}", INIT, shape) for i, shape in enumerate(tables)]
        self.bias = self.param("bias", nn.initializers.zeros, (sum(self.bins),))
        self.ways_in: list[jax.Array] = []
        if gpt2_costs.projects(self.d_model, self.d_embed, self.div_val):
            self.ways_in = [
                self.param(f"way_in{i}", INIT, (width, self.d_model))
                for i, (_, width) in enumerate(tables)
            ]
            self.way_out = self.param("way_out", INIT, (self.d_embed, self.d_model))
        if len(self.bins) > 1:
            further = len(self.bins) - 1
            self.clusters = self.param("clusters", INIT, (further, self.d_embed))
            self.clusters_bias = self.param("clusters_bias", nn.initializers.zeros, (further,))

    def embed(self, tokens: jax.Array) -> jax.Array:
        """``int [B, T] -> [B, T, D]``, scaled by the root of ``D``."""
        total = jnp.zeros((*tokens.shape, self.d_model))
        start = 0
        for i, table in enumerate(self.words):
            inside = (tokens >= start) & (tokens < start + len(table))
            vectors = table[jnp.clip(tokens - start, 0, len(table) - 1)]
            if self.ways_in:
                vectors = vectors @ self.ways_in[i]
            total = jnp.where(inside[..., None], vectors, total)
            start += len(table)
        return total * self.d_model**0.5

    def logits(self, hidden: jax.Array) -> jax.Array:
        """``[B, T, D] -> [B, T, V]``; log-probabilities where there is more than one bin."""
        outgoing = self._outgoing(hidden)
        ends = np.cumsum(self.bins)
        biases = jnp.split(self.bias, ends[:-1])
        tables = self.words
        if self.div_val == 1:
            tables = jnp.split(self.words[0], ends[:-1])
        scores = [h @ w.T + b for h, w, b in zip(outgoing, tables, biases, strict=True)]
        if len(scores) == 1:
            return scores[0]
        of_bins = outgoing[0] @ self.clusters.T + self.clusters_bias
        first = jax.nn.log_softmax(jnp.concatenate([scores[0], of_bins], axis=-1))
        rest = [
            first[..., self.bins[0] + i, None] + jax.nn.log_softmax(score)
            for i, score in enumerate(scores[1:])
        ]
        return jnp.concatenate([first[..., : self.bins[0]], *rest], axis=-1)

    def _outgoing(self, hidden: jax.Array) -> list[jax.Array]:
        """What is compared with the words of every bin: ``[B, T, width]`` each."""
        if not self.ways_in:
            return [hidden] * len(self.bins)
        first = hidden @ self.way_out.T
        if self.div_val == 1:
            further = [hidden @ self.ways_in[0].T] * (len(self.bins) - 1) if self.bins[1:] else []
        else:
            further = [hidden @ way.T for way in self.ways_in[1:]]
        return [first, *further]
