"""From log-odds of edges to a valid cell of NAS-Bench-101.

Letters of shapes: ``[..., 21]`` scores in the order of ``nb101_cells.EDGES``,
finite; codes as there.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from pnag_jax.spaces import nb101_cells as cells
from pnag_jax.spaces.nb101_cells import EDGES, MAX_EDGES, NUM_NODES, OUTPUT


def free_code(scores: jax.Array) -> jax.Array:
    """The edges of positive log-odds: ``[..., 21] -> int32 [...]``."""
    return cells.pack((scores > 0).astype(jnp.int32))


@jax.jit
def valid_code(scores: jax.Array) -> jax.Array:
    """A pruned cell with a path and at most nine edges: ``[..., 21] -> int32 [...]``.

    The edges of positive log-odds, pruned.  Where they do not connect input and
    output, the path is opened whose missing edges cost least.  Where there are
    too many, they go one by one, the least likely first; one that alone
    connects input and output stays.
    """
    code = free_code(scores)
    connected = cells.live_nodes(code) != 0
    code = cells.pruned(jnp.where(connected, code, code | _cheapest_path(scores)))

    def excess(code: jax.Array) -> jax.Array:
        return cells.num_edges(code) > MAX_EDGES

    def cut(carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        code, tried = carry
        open_ = cells.unpack(code & ~tried) > 0
        edge = jnp.argmin(jnp.where(open_, scores, jnp.inf), axis=-1)
        bit = jnp.int32(1) << edge.astype(jnp.int32)
        without = cells.pruned(code & ~bit)
        return jnp.where(excess(code) & (without != 0), without, code), tried | bit

    # Ends: with every edge tried only those are left that all paths pass.
    start = (code, jnp.zeros_like(code))
    return jax.lax.while_loop(lambda carry: jnp.any(excess(carry[0])), cut, start)[0]


def _cheapest_path(scores: jax.Array) -> jax.Array:
    """The path from input to output that asks for the least log-odds to be added."""
    # Scaled by more than the edges of a path, so that sums stay finite.
    costs = jnp.maximum(-scores, 0) / (2 * NUM_NODES)
    # Of the cheapest path to every node: its cost, and its edges as a code.
    distances, paths = [jnp.zeros(scores.shape[:-1], scores.dtype)], [free_code(scores) * 0]
    for node in range(1, OUTPUT + 1):
        edges = [EDGES.index((source, node)) for source in range(node)]
        through = [distances[s] + costs[..., edge] for s, edge in enumerate(edges)]
        best, path = through[0], paths[0] | 1 << edges[0]
        for source in range(1, node):
            closer = through[source] < best
            best = jnp.where(closer, through[source], best)
            path = jnp.where(closer, paths[source] | 1 << edges[source], path)
        distances.append(best)
        paths.append(path)
    return paths[OUTPUT]
