"""Repair of edges: what is kept, what is opened, what goes."""

from __future__ import annotations

import numpy as np

from pnag_jax.spaces import nb101_cells as cells
from pnag_jax.spaces import nb101_decoding as decoding
from pnag_jax.spaces.nb101_cells import EDGES


def scores(**given: float) -> np.ndarray:
    """Log-odds ``e01=2.0`` of edges, -5 of the others."""
    named = {f"e{i}{j}": k for k, (i, j) in enumerate(EDGES)}
    row = np.full(len(EDGES), -5.0, np.float32)
    for name, value in given.items():
        row[named[name]] = value
    return row


def edges(code) -> set[str]:
    return {
        f"{i}{j}" for (i, j), bit in zip(EDGES, cells.unpack(np.asarray(code)), strict=True) if bit
    }


def test_a_valid_cell_is_left_as_it_is_but_pruned():
    row = scores(e01=1.0, e16=0.1, e02=3.0)
    assert edges(decoding.valid_code(row)) == {"01", "16"}


def test_the_cheapest_path_is_opened():
    # 0 -> 6 would cost 5; 0 -> 1 -> 6 costs 1, for the first half is there.
    row = scores(e01=1.0, e16=-1.0, e26=4.0)
    assert edges(decoding.valid_code(row)) == {"01", "16"}
    # What the path passes becomes part of the cell.
    row = scores(e01=1.0, e12=2.0, e23=2.0, e36=-1.0, e16=-1.5)
    assert edges(decoding.valid_code(row)) == {"01", "12", "23", "36"}


def test_the_least_likely_edges_go():
    names = ("e01", "e12", "e23", "e34", "e45", "e56", "e06", "e13", "e24", "e35", "e46")
    row = scores(**{name: 2.0 + i for i, name in enumerate(names)})
    row[EDGES.index((0, 6))], row[EDGES.index((2, 4))] = 0.1, 0.2
    assert edges(decoding.valid_code(row)) == {n[1:] for n in names} - {"06", "24"}


def test_a_bridge_stays_however_unlikely():
    # All that reaches node 2 passes 0 -> 1 -> 2; of the rest the two lowest go.
    rest = ("e23", "e24", "e25", "e26", "e34", "e35", "e36", "e45", "e46", "e56")
    row = scores(e01=0.01, e12=0.02, **{name: 1.0 + i for i, name in enumerate(rest)})
    found = edges(decoding.valid_code(row))
    assert {"01", "12"} <= found and len(found) <= 9
    assert cells.pruned(cells.pack(cells.unpack(np.asarray(decoding.valid_code(row))))) > 0


def test_noise_decodes_to_pruned_cells_of_at_most_nine_edges():
    rows = np.random.default_rng(0).normal(1.0, 2.0, (500, len(EDGES))).astype(np.float32)
    code = np.asarray(decoding.valid_code(rows))
    assert (code > 0).all() and (cells.pruned(code) == code).all()
    assert (cells.num_edges(code) <= cells.MAX_EDGES).all()
    few = cells.num_edges(cells.pruned(np.asarray(decoding.free_code(rows)))) <= cells.MAX_EDGES
    free = cells.pruned(np.asarray(decoding.free_code(rows)))
    kept = few & (free > 0)
    assert kept.any() and (code[kept] == free[kept]).all()
    # Of too many seldom more go than there are too many: what they alone connected.
    assert np.median(cells.num_edges(code[~few])) == cells.MAX_EDGES
