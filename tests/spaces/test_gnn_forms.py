"""The canonical form against the benchmark's own, for every genotype."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from pnag_jax import benchmarks
from pnag_jax.spaces import gnn_forms
from pnag_jax.spaces.gnn_forms import CHOICES, LINKS, OPS

# SHA-256 of the keys that the benchmark's code (nas-bench-graph 1.4.0) gives
# all 59,049 genotypes by index, as little-endian int32.  A key is the digits
# of the canonical genotype.
PUBLISHED_KEYS = "6d6f8407c6671665f5c1f4668406b5f81751ed0485dfd2e22a6ecac96a2b6624"


def keys(indices: np.ndarray) -> np.ndarray:
    genes = np.stack(np.unravel_index(indices, CHOICES), axis=-1)
    return genes @ 10 ** np.arange(4, -1, -1)


def test_every_genotype_has_the_published_key():
    found = keys(gnn_forms.canonical_index()).astype("<i4")
    assert len(found) == 59_049
    assert hashlib.sha256(found.tobytes()).hexdigest() == PUBLISHED_KEYS


def test_the_valid_ones_are_the_rows_of_the_table():
    table = benchmarks.load("gnn")
    listed = np.ravel_multi_index(table.genotypes.T.astype(np.int64), CHOICES)
    assert sorted(listed) == gnn_forms.valid_indices().tolist()
    assert len(listed) == 26_206


def test_the_trees_are_all_trees():
    """Nine rooted trees of five nodes, no two alike but for names."""
    shapes = {gnn_forms.ordered(gnn_forms.forest(link, (0, 0, 0, 0))) for link in range(9)}
    assert len(LINKS) == len(shapes) == 9


# Written as fathers and operations; all fathers are among the nine trees.
@pytest.mark.parametrize(
    ("one", "form"),
    [
        pytest.param("0123 gcn skip gat fc", "0123 skip gcn gat fc", id="a skip passes on"),
        pytest.param("0123 gcn gat fc skip", "0123 skip gcn gat fc", id="so does the last"),
        pytest.param("0112 gcn skip gat fc", "0122 skip gcn gat fc", id="its sons move up"),
        pytest.param("0000 fc gin gcn gat", "0000 gat gcn gin fc", id="sons have no order"),
        pytest.param("0012 gcn gat fc gin", "0012 gat gcn gin fc", id="nor have subtrees"),
        pytest.param("0012 gat gat gin gcn", "0012 gat gat gcn gin", id="down to their sons"),
        pytest.param("0000 skip gcn gat skip", "0122 skip skip gat gcn", id="the input is not"),
        pytest.param("0111 gcn skip gat fc", "0111 gcn gat fc skip", id="a residual skip stays"),
        pytest.param("0111 gcn skip skip fc", "0111 gcn fc skip skip", id="and so do two"),
        pytest.param("0111 skip skip gat fc", "0122 skip skip gat fc", id="but not on the input"),
        pytest.param("0011 skip gcn gat skip", "0122 skip skip gat gcn", id="nor past a skip"),
    ],
)
def test_forms_by_hand(one, form):
    def index(text: str) -> int:
        fathers, *ops = text.split()
        link = LINKS.index(tuple(map(int, fathers)))
        return int(np.ravel_multi_index((link, *map(OPS.index, ops)), CHOICES))

    assert gnn_forms.canonical_index()[index(one)] == index(form)


def test_the_form_keeps_the_operations():
    listed = np.stack(np.unravel_index(np.arange(59_049), CHOICES), axis=-1)
    form = np.stack(np.unravel_index(gnn_forms.canonical_index(), CHOICES), axis=-1)
    assert (np.sort(listed[:, 1:]) == np.sort(form[:, 1:])).all()
