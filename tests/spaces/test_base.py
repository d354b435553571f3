"""The helpers that spaces share, and what the contract gives for nothing."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax.spaces import base
from pnag_jax.spaces.nb201 import Nb201


def test_ranks_count_with_the_first_gene_slowest():
    # 1 * (3 * 4) + 2 * 4 + 3 = 23
    assert base.to_index([1, 2, 3], (2, 3, 4)) == 23
    assert base.from_index(23, (2, 3, 4)).tolist() == [1, 2, 3]


@pytest.mark.parametrize("choices", [(2, 3, 4), (9, 9, 9, 9, 9), (7,)])
def test_ranks_go_both_ways(choices):
    listed = np.indices(choices).reshape(len(choices), -1).T
    index = base.to_index(listed, choices)
    assert index.dtype == jnp.int32
    assert (index == jnp.arange(len(listed))).all()
    assert (base.from_index(index, choices) == listed).all()


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_scores_are_finite_and_so_are_their_differences(dtype):
    logits = jnp.array([jnp.nan, -jnp.inf, -1.5, 0.0, 1.5, jnp.inf], dtype)
    scores = base.as_scores(logits)
    assert scores.dtype == dtype
    assert scores[2:5].tolist() == [-1.5, 0.0, 1.5]
    assert scores[0] == scores[1] == scores.min() and scores[5] == scores.max()
    assert jnp.isfinite(scores[:, None] - scores).all()


def test_a_method_for_one_takes_batches():
    class Doubler:
        @base.over_batch(1, 2)
        def row_times_matrix(self, row, matrix, factor):
            assert row.ndim == 1 and matrix.ndim == 2
            return factor * row @ matrix

    rows, matrices = np.ones((4, 5, 2)), np.ones((4, 5, 2, 3))
    found = Doubler().row_times_matrix(rows, matrices, 10)
    assert found.shape == (4, 5, 3) and (found == 20).all()
    assert Doubler().row_times_matrix(rows[0, 0], matrices[0, 0], factor=1).tolist() == [2, 2, 2]


def test_neighbours_are_all_changes_of_one_gene():
    genotype = jnp.array([4, 2, 0, 1, 3, 3])
    rows = np.asarray(Nb201().neighbours(genotype))
    assert len(np.unique(rows, axis=0)) == len(rows) == 24
    assert ((rows != np.asarray(genotype)).sum(1) == 1).all()


def test_mutants_are_uniform_over_the_valid_neighbours():
    """|none|none|none|conv1|none|none: only what keeps the one open path, 0->3, is valid."""
    genotype = jnp.array([0, 0, 0, 2, 0, 0])
    keys = jax.random.split(jax.random.key(0), 4_000)
    mutants = np.asarray(jax.jit(jax.vmap(Nb201().mutate, (0, None)))(keys, genotype))
    rows, counts = np.unique(mutants, axis=0, return_counts=True)
    # Three other operations at 0->3, and four at each of the five other edges.
    assert len(rows) == 3 + 5 * 4
    share = 1 / len(rows)
    assert np.abs(counts / 4_000 - share).max() < 5 * np.sqrt(share / 4_000)


def test_a_genotype_without_a_valid_neighbour_stays():
    class Lonely(Nb201):
        def is_valid(self, genotype):
            return jnp.zeros(jnp.shape(genotype)[:-1], bool)

    genotype = jnp.array([4, 2, 0, 1, 3, 3])
    assert (Lonely().mutate(jax.random.key(0), genotype) == genotype).all()
