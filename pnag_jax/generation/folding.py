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
from pnag_jax.models.graph_autoencoder import split_logits
from pnag_jax.models.stage1 import Stage1, Variables
from pnag_jax.spaces import Space


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

    def logits(self, codes: list[jax.Array | None], space: Space) -> tuple[jax.Array, jax.Array]:
        """Node and edge logits of ``D`` code arrays ``[n]``; None adds nothing."""
        hidden = self.bias
        num_values = self.rows.shape[0] // len(codes)
        # One gather a position: XLA turns each into a copy of whole rows,
        # which it does not do for one gather of all.
        for position, code in enumerate(codes):
            if code is not None:
                row = position * num_values + code
                hidden = hidden + self.rows.at[row].get(mode="promise_in_bounds")
        flat = jax.nn.relu(hidden) @ self.kernel + self.offset
        return split_logits(flat, space.num_nodes, space.num_ops)


def fold(model: Stage1, variables: Variables) -> FoldedDecoder:
    """Folds trained variables."""
    decoder = variables.params["decoder"]["params"]
    size, channels = model.space.num_nodes, model.channels
    first = decoder["first"]["kernel"].reshape(size * size, channels, -1)
    codebook = variables.averages.codebook.codebook
    phi = variables.params.get("phi")
    rows = []
    for t, (n, weights) in enumerate(zip(model.scales, _map_weights(model), strict=True)):
        vectors = codebook if phi is None else codebook @ phi[t]
        # [n^2, C, H], then the two halves of the symmetric map together.
        spread = jnp.einsum("qp,qch->pch", weights, first).reshape(n, n, channels, -1)
        spread = spread + jnp.swapaxes(spread, 0, 1) * (1 - jnp.eye(n))[..., None, None]
        triangle = spread[np.triu_indices(n)]
        rows.append(jnp.einsum("vc,pch->pvh", vectors, triangle))
    return FoldedDecoder(
        rows=jnp.concatenate(rows).reshape(-1, spread.shape[-1]),
        bias=decoder["first"]["bias"],
        kernel=decoder["second"]["kernel"],
        offset=decoder["second"]["bias"],
    )


def _map_weights(model: Stage1) -> list[jax.Array]:
    """Weight of every code in every cell of the last partial: ``[N^2, n_t^2]`` each.

    Read off ``dequantize`` itself, with one channel and unit codes.
    """
    size = model.space.num_nodes
    one = jnp.array([[0.0], [1.0]])
    result = []
    for t, n in enumerate(model.scales):
        codes = [jnp.zeros((n * n, m, m), jnp.int32) for m in model.scales]
        codes[t] = jnp.eye(n * n, dtype=jnp.int32).reshape(n * n, n, n)
        last = q.dequantize(codes, one, model.scales, size, **model.flags)[-1]
        result.append(last.reshape(n * n, size * size).T)
    return result


def read_positions(model: Stage1) -> frozenset[int]:
    """The positions whose rows are not all zero by construction."""
    used = [np.abs(np.asarray(w)).sum() > 1e-6 for w in _map_weights(model)]
    scale_of = stage1.upper_positions(model.scales)[:, 0]
    return frozenset(int(i) for i in np.flatnonzero(np.array(used)[scale_of]))
