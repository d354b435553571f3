"""Codes of cells: by hand, and against a search over all orders of nodes."""

from __future__ import annotations

import itertools

import jax
import numpy as np
import pytest

from pnag_jax.spaces import nb101_cells as cells
from pnag_jax.spaces.nb101_cells import EDGES


def code(edges: str) -> np.ndarray:
    there = {(int(a), int(b)) for a, b in edges.split()}
    return cells.pack(np.array([int(edge in there) for edge in EDGES], np.int32))


def nodes(bits: np.ndarray) -> list[int]:
    return [node for node in range(cells.NUM_NODES) if bits >> node & 1]


def random_codes(count: int, density: float = 0.4) -> np.ndarray:
    random = np.random.default_rng(0).random((count, len(EDGES)))
    return cells.pack((random < density).astype(np.int32))


def test_codes_go_both_ways():
    codes = np.arange(1 << 21, dtype=np.int32)[::997]
    assert (cells.pack(cells.unpack(codes)) == codes).all()
    numbers = np.arange(3**5, dtype=np.int32)
    assert (cells.pack_ops(cells.unpack_ops(numbers)) == numbers).all()


def test_live_nodes_by_hand():
    assert nodes(cells.live_nodes(code("01 12 26 03 45"))) == [0, 1, 2, 6]
    assert nodes(cells.live_nodes(code("01 26"))) == []
    assert cells.pruned(code("01 12 26 03 45")) == code("01 12 26")
    assert nodes(cells.sources(code("03 13 36"), 3)) == [0, 1]


def test_live_nodes_are_those_on_paths():
    """By powers of the adjacency matrix."""
    for one in random_codes(200):
        reach = np.eye(cells.NUM_NODES, dtype=np.int64)
        for (i, j), bit in zip(EDGES, cells.unpack(one), strict=True):
            reach[i, j] = bit
        reach = np.linalg.matrix_power(reach, cells.NUM_NODES) > 0
        expected = [v for v in range(7) if reach[0, v] and reach[v, 6]]
        assert nodes(cells.live_nodes(one)) == expected


def relabelled(one: np.ndarray, ops: np.ndarray, order: tuple[int, ...]):
    """The cell with inner node ``i`` in the place ``order[i - 1]``; None if it points back."""
    place = (0, *order, 6)
    found = 0
    for (i, j), bit in zip(EDGES, cells.unpack(one), strict=True):
        if bit:
            if place[i] > place[j]:
                return None
            found |= 1 << EDGES.index((place[i], place[j]))
    moved = np.zeros(5, np.int32)
    for node in cells.INNER:
        moved[place[node] - 1] = ops[node - 1]
    return np.int32(found), moved


def test_the_canonical_form_is_the_smallest_of_all_orders():
    rng = np.random.default_rng(1)
    for one in cells.pruned(random_codes(20)):
        live = nodes(cells.live_nodes(one))
        ops = np.array([rng.integers(3) * (node in live) for node in cells.INNER], np.int32)
        ways = [relabelled(one, ops, order) for order in itertools.permutations(cells.INNER)]
        forms = [(int(c), int(cells.pack_ops(o))) for c, o in filter(None, ways)]
        canonical = tuple(int(x) for x in cells.canonical(one, ops))
        assert canonical == min(forms)


def test_isomorphic_cells_share_a_form_and_others_do_not():
    ops = np.array([1, 1, 0, 0, 0], np.int32)
    # Two branches in the two orders; then a chain of the same operations.
    first = cells.canonical(code("01 02 16 26"), np.array([1, 2, 0, 0, 0]))
    second = cells.canonical(code("03 05 36 56 12"), np.array([0, 0, 2, 0, 1]))
    assert first == second
    assert cells.canonical(code("01 12 26"), ops)[0] != cells.canonical(code("01 02 16 26"), ops)[0]


def test_numpy_and_jax_agree():
    codes = random_codes(500, 0.6)
    ops = np.random.default_rng(2).integers(0, 3, (500, 5)).astype(np.int32)
    for function, arguments in (
        (cells.canonical, (codes, ops)),
        (cells.pruned, (codes,)),
        (cells.live_nodes, (codes,)),
    ):
        jax.tree.map(
            np.testing.assert_array_equal, function(*arguments), jax.jit(function)(*arguments)
        )


@pytest.mark.parametrize("kept", ["06 1", "06 12", "06 135"])
def test_a_part_of_a_cell_is_pruned_and_has_no_more_edges(kept):
    codes = cells.pruned(random_codes(300))
    codes = codes[codes > 0]
    wanted = sum(1 << int(node) for node in kept if node != " ")
    inner = wanted & cells.live_nodes(codes) & 0b0111110
    codes, inner = codes[inner > 0], inner[inner > 0]
    smaller = cells.induced(codes, inner | 0b1000001)
    assert (cells.pruned(smaller) == smaller).all() and (smaller > 0).all()
    assert (cells.num_edges(smaller) <= cells.num_edges(codes)).all()
    assert (cells.live_nodes(smaller) == inner | 0b1000001).all()
