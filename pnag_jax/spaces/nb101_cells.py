"""Cells of NAS-Bench-101 as numbers: reachability, pruning, canonical form.

A cell has seven nodes, 0 the input and 6 the output.  Its 21 possible edges
are the bits of one integer, the *code*, in the order of ``EDGES``: the edges
into node 1 lowest, those into the output highest.  A node that no path from
input to output passes is *dangling*; a *pruned* cell has no edges at those.

Functions take integers of any batch shape, NumPy's or JAX's alike: the same
lines serve jitted code and the enumeration on the host.
"""

from __future__ import annotations

import itertools
from typing import TypeVar

import jax
import numpy as np

# NumPy's or JAX's, in and out alike.
Array = TypeVar("Array", np.ndarray, jax.Array)

NUM_NODES = 7
OUTPUT = NUM_NODES - 1
INNER = range(1, OUTPUT)
MAX_EDGES = 9
# (source, target) of every bit.
EDGES = tuple((i, j) for j in range(1, NUM_NODES) for i in range(j))
# Operations of an inner node, and of none: dangling nodes have operation 0.
NUM_OPS = 3

_SOURCES, _TARGETS = np.array(EDGES, np.int32).T
_BITS = np.arange(len(EDGES), dtype=np.int32)
_PLACES = np.int32(NUM_OPS) ** np.arange(len(INNER), dtype=np.int32)

# All orders of the inner nodes: node ``i`` of a cell becomes node ``[p, i]``.
_ORDERS = np.array([(0, *order, OUTPUT) for order in itertools.permutations(INNER)], dtype=np.int32)


def _edge_weights() -> np.ndarray:
    """What every edge adds to the code of every order: float32 ``[21, 120]``.

    An edge that would point backwards adds more than all codes.  Whole numbers
    below 2^24 are exact in float32, and powers of two in every float.
    """
    weights = np.empty((len(EDGES), len(_ORDERS)), np.float32)
    for bit, (source, target) in enumerate(EDGES):
        ends = _ORDERS[:, [source, target]]
        forward = [EDGES.index((i, j)) if i < j else len(EDGES) + 1 for i, j in ends.tolist()]
        weights[bit] = np.float32(2) ** np.array(forward)
    return weights


def _op_weights() -> np.ndarray:
    """The same of operations, as digits of base 3: float32 ``[5, 120]``."""
    return _PLACES[_ORDERS[:, 1:OUTPUT] - 1].T.astype(np.float32)


_EDGE_WEIGHTS, _OP_WEIGHTS = _edge_weights(), _op_weights()
# More than any number of operations.
_NO_OPS = np.float32(NUM_OPS ** len(INNER))


def pack(bits: Array) -> Array:
    """The code of edge bits: ``[..., 21] -> int32 [...]``."""
    return (bits << _BITS).sum(axis=-1, dtype=np.int32)


def unpack(code: Array) -> Array:
    """Edge bits of a code: ``[...] -> int32 [..., 21]``."""
    return (code[..., None] >> _BITS) & 1


def num_edges(code: Array) -> Array:
    """How many edges a code has: int32 ``[...]``."""
    return unpack(code).sum(axis=-1, dtype=np.int32)


def pack_ops(ops: Array) -> Array:
    """Operations as one number, node 1 lowest: ``[..., 5] -> int32 [...]``."""
    return (ops * _PLACES).sum(axis=-1, dtype=np.int32)


def unpack_ops(number: Array) -> Array:
    """Inverse of ``pack_ops``: ``[...] -> int32 [..., 5]``."""
    return number[..., None] // _PLACES % NUM_OPS


def sources(code: Array, node: int) -> Array:
    """The nodes that feed ``node``, as bits: int32 ``[...]``."""
    return (code >> (node * (node - 1) // 2)) & ((1 << node) - 1)


def _into(node: int, feeding: Array) -> Array:
    """The code of the edges from nodes, given as bits, into one node."""
    return feeding << (node * (node - 1) // 2)


def live_nodes(code: Array) -> Array:
    """The nodes on some path from input to output, as bits: int32 ``[...]``.

    0 where there is no path.
    """
    ahead = code * 0 + 1
    for node in range(1, NUM_NODES):
        ahead = ahead | (((sources(code, node) & ahead) != 0) << node)
    behind = code * 0 + (1 << OUTPUT)
    for node in reversed(range(1, NUM_NODES)):
        behind = behind | sources(code, node) * ((behind >> node) & 1)
    return ahead & behind


def pruned(code: Array) -> Array:
    """Without the edges at dangling nodes; 0 where no path reaches the output."""
    live = live_nodes(code)[..., None]
    return code & pack((live >> _SOURCES) & (live >> _TARGETS) & 1)


def induced(code: Array, kept: Array) -> Array:
    """A pruned cell without some inner nodes: still pruned, of no more edges.

    A kept node that loses all that it reads reads the input, one that nobody
    reads any more feeds the output.  The edge from input to output goes where a
    node does: coarse cells differ in what they compute.

    Args:
      code: int ``[...]``, pruned.
      kept: int ``[...]``, the nodes that stay, as bits; not all inner ones go.
    """
    ends = 1 | 1 << OUTPUT
    result, read = code * 0, code * 0
    for node in INNER:
        here = (kept >> node) & 1
        feeding = sources(code, node) & kept
        feeding = (feeding | (feeding == 0)) * here
        result, read = result | _into(node, feeding), read | feeding
    inner = kept & ~ends
    feeding = (sources(code, OUTPUT) & inner) | (inner & ~read)
    result = result | _into(OUTPUT, feeding)
    unchanged = (live_nodes(code) & ~kept) == 0
    return code * unchanged + result * ~unchanged


def canonical(code: Array, ops: Array) -> tuple[Array, Array]:
    """One form for all isomorphic cells, exact.

    The cell is pruned; of all orders of its inner nodes in which edges point
    forward, the one with the smallest code counts, and among several that with
    the smallest number of operations.  Dangling nodes come last.

    Args:
      code: int32 ``[...]``.
      ops: int ``[..., 5]``.

    Returns:
      Code and number of operations: int32 ``[...]`` each.
    """
    live, code = live_nodes(code), pruned(code)
    ops = ops * ((live[..., None] >> np.arange(1, OUTPUT, dtype=np.int32)) & 1)
    # One product each for all orders.
    codes = unpack(code).astype(np.float32) @ _EDGE_WEIGHTS
    numbers = ops.astype(np.float32) @ _OP_WEIGHTS
    smallest = codes.min(axis=-1)
    numbers = numbers + (codes != smallest[..., None]) * _NO_OPS
    return smallest.astype(np.int32), numbers.min(axis=-1).astype(np.int32)


def automorphisms(code: np.ndarray) -> np.ndarray:
    """Which orders leave a code as it is: ``[...] -> bool [..., 120]``."""
    return unpack(code).astype(np.float32) @ _EDGE_WEIGHTS == code[..., None]


def reordered_ops(ops: np.ndarray) -> np.ndarray:
    """Operations as one number after every order: ``[..., 5] -> int [..., 120]``."""
    return (ops.astype(np.float32) @ _OP_WEIGHTS).astype(np.int32)
