"""All 423,624 cells of NAS-Bench-101, one a class of isomorphic ones.

Found, not stored: every code of at most nine edges without dangling nodes that
is the smallest of its class, with every choice of operations that its
automorphisms leave smallest.  About a second, once a process.
"""

from __future__ import annotations

import functools

import numpy as np

from pnag_jax.spaces import nb101_cells as cells

# Operations by which one number for code and operations is made.
RADIX = cells.NUM_OPS ** len(cells.INNER)

_CHUNK = 1 << 14


@functools.cache
def indices() -> np.ndarray:
    """``code * 243 + operations`` of every canonical cell, ascending: int32 ``[423624]``."""
    codes = _codes()
    ops = cells.unpack_ops(np.arange(RADIX, dtype=np.int32))
    numbers = cells.reordered_ops(ops)
    on = (ops[:, None] != 0) << np.arange(1, cells.OUTPUT)
    used = on.sum(axis=(-2, -1))  # the nodes with an operation other than 0, as bits
    found = []
    for code, live, own in zip(
        codes, cells.live_nodes(codes), cells.automorphisms(codes), strict=True
    ):
        smallest = numbers[:, own].min(axis=-1) == np.arange(RADIX)
        found.append(code * RADIX + np.flatnonzero(smallest & (used & ~live == 0)))
    return np.concatenate(found).astype(np.int32)


def genotypes() -> np.ndarray:
    """The same as genotypes: int8 ``[423624, 26]``."""
    bits = cells.unpack(indices() // RADIX)
    ops = cells.unpack_ops(indices() % RADIX)
    return np.concatenate([bits, ops], axis=-1).astype(np.int8)


def _codes() -> np.ndarray:
    """Codes of all canonical cells, operations aside, ascending: int32."""
    every = np.arange(1 << len(cells.EDGES), dtype=np.int32)
    few = every[cells.num_edges(every) <= cells.MAX_EDGES]
    clean = few[(cells.pruned(few) == few) & (few > 0)]
    none = np.zeros((1, len(cells.INNER)), np.int32)
    smallest = [
        cells.canonical(part, none)[0] for part in np.array_split(clean, len(clean) // _CHUNK + 1)
    ]
    return clean[np.concatenate(smallest) == clean]
