"""All cells: the published counts, and the small ones by brute force."""

from __future__ import annotations

import itertools

import numpy as np

from pnag_jax.spaces import nb101_cells as cells
from pnag_jax.spaces import nb101_enumeration as enumeration


def test_there_are_as_many_cells_as_the_benchmark_has_by_number_of_nodes():
    codes = enumeration.indices() // enumeration.RADIX
    sizes = cells.num_edges(cells.live_nodes(codes))  # counts bits, here those of nodes
    assert np.bincount(sizes).tolist() == [0, 0, 1, 6, 84, 2441, 62_010, 359_082]
    assert len(codes) == 423_624


def test_every_one_is_its_own_canonical_form():
    some = enumeration.genotypes()[::97].astype(np.int32)
    assert len(np.unique(enumeration.indices())) == len(enumeration.indices())
    code, number = cells.canonical(cells.pack(some[:, :21]), some[:, 21:])
    assert (code * enumeration.RADIX + number == enumeration.indices()[::97]).all()


def brute_force(inner: int) -> int:
    """Cells with that many live inner nodes: matrices told apart by trying all orders."""
    size = inner + 2
    pairs = list(itertools.combinations(range(size), 2))
    seen: set[tuple] = set()
    classes = 0
    for bits in itertools.product((0, 1), repeat=len(pairs)):
        edges = frozenset(pair for pair, bit in zip(pairs, bits, strict=True) if bit)
        ahead = [any(j == v for _, j in edges) for v in range(1, size)]
        behind = [any(i == v for i, _ in edges) for v in range(size - 1)]
        if not all(ahead + behind) or len(edges) > 9:
            continue
        for ops in itertools.product(range(3), repeat=inner):
            if (edges, ops) in seen:
                continue
            classes += 1
            for order in itertools.permutations(range(1, size - 1)):
                place = (0, *order, size - 1)
                moved = frozenset((place[i], place[j]) for i, j in edges)
                moved_ops = tuple(ops[order.index(v)] for v in range(1, size - 1))
                seen.add((moved, moved_ops))
    return classes


def test_small_cells_by_brute_force():
    assert [brute_force(inner) for inner in range(4)] == [1, 6, 84, 2441]
