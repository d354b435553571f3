"""The decoder folded into tables: a code's whole effect as one row.

The last partial map is linear in the code vectors, and so is the decoder's
first layer.  Codebook x phi x interpolation x first layer is therefore one
row a (position, code), and decoding is a sum of rows, one nonlinearity and
one matrix product.

Letters: ``D`` codes, ``V`` values of a code, ``H`` hidden units, ``N`` nodes,
``F`` node types, ``C`` channels.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pnag_jax import quantization as q
from pnag_jax.models import stage1
from pnag_jax.models.stage1 import Stage1, Variables
from pnag_jax.spaces import Space

# Samples up to which the steps of a loop cost more than its work.
_FEW = 16


class FoldedDecoder(NamedTuple):
    """Tables that replace quantizer and decoder.

    Attributes:
      rows: float32 ``[D V, H]``, ``V`` rows a position.
      bias: float32 ``[H]``.
      kernel: float32 ``[H, N (F + N)]``, the second layer.
      offset: float32 ``[N (F + N)]``.
    """

    rows: jax.Array
    bias: jax.Array
    kernel: jax.Array
    offset: jax.Array

    def preactivation(self, codes: list[jax.Array | None]) -> jax.Array:
        """Sum of the rows of ``D`` code arrays ``[n]``: ``[n, H]``; None adds nothing."""
        num_values = self.rows.shape[0] // len(codes)
        read = [(i, code) for i, code in enumerate(codes) if code is not None]
        first = jnp.array([i * num_values for i, _ in read], jnp.int32)
        stacked = jnp.stack([code for _, code in read])

        if stacked.shape[1] <= _FEW:
            return self.rows.at[first[:, None] + stacked].get(mode="promise_in_bounds").sum(axis=0)

        # One gather a position: XLA turns each into a copy of whole rows,
        # which it does not do for one gather of all.
        def add(total: jax.Array, item: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
            offset, code = item
            return total + self.rows.at[offset + code].get(mode="promise_in_bounds"), None

        start = jnp.zeros((stacked.shape[1], self.rows.shape[1]), self.rows.dtype)
        return jax.lax.scan(add, start, (first, stacked))[0]

    def head(self, preactivation: jax.Array, space: Space) -> tuple[jax.Array, jax.Array]:
        """Node and edge logits: ``[n, H] -> [n, N, F], [n, N, N]``."""
        hidden = jax.nn.relu(preactivation + self.bias)
        # Two products, since a space without edges to choose reads the first alone.
        nodes = space.num_nodes * space.num_ops
        op = hidden @ self.kernel[:, :nodes] + self.offset[:nodes]
        edge = hidden @ self.kernel[:, nodes:] + self.offset[nodes:]
        lead = hidden.shape[:-1]
        return (
            op.reshape(*lead, space.num_nodes, space.num_ops),
            edge.reshape(*lead, space.num_nodes, space.num_nodes),
        )

    def logits(self, codes: list[jax.Array | None], space: Space) -> tuple[jax.Array, jax.Array]:
        """Node and edge logits of ``D`` code arrays ``[n]``; None adds nothing."""
        return self.head(self.preactivation(codes), space)


def fold(model: Stage1, variables: Variables) -> FoldedDecoder:
    """Folds trained variables; on the host, where it compiles nothing."""
    decoder = jax.device_get(variables.params["decoder"]["params"])
    size, channels = model.space.num_nodes, model.channels
    first = decoder["first"]["kernel"].reshape(size * size, -1)
    codebook = np.asarray(variables.averages.codebook.codebook)
    phi = jax.device_get(variables.params.get("phi"))
    rows = []
    for t, (n, weights) in enumerate(zip(model.scales, _map_weights(model), strict=True)):
        vectors = codebook if phi is None else codebook @ phi[t]
        # [n, n, C, H], then the two halves of the symmetric map together.
        spread = (weights.T @ first).reshape(n, n, channels, -1)
        spread = spread + spread.swapaxes(0, 1) * (1 - np.eye(n))[..., None, None]
        rows.append(np.matmul(vectors, spread[np.triu_indices(n)]))  # [pairs, V, H]
    flat = np.concatenate(rows).reshape(-1, rows[0].shape[-1])
    return FoldedDecoder(
        rows=jnp.asarray(flat, jnp.float32),
        bias=jnp.asarray(decoder["first"]["bias"]),
        kernel=jnp.asarray(decoder["second"]["kernel"]),
        offset=jnp.asarray(decoder["second"]["bias"]),
    )


def _map_weights(model: Stage1) -> list[np.ndarray]:
    return q.map_weights(model.scales, model.space.num_nodes, **model.flags)


def read_positions(model: Stage1) -> frozenset[int]:
    """The positions whose rows are not all zero by construction."""
    used = np.array([np.abs(w).sum() > 1e-9 for w in _map_weights(model)])
    scale_of = stage1.upper_positions(model.scales)[:, 0]
    return frozenset(int(i) for i in np.flatnonzero(used[scale_of]))
