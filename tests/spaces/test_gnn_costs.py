"""Costs of the benchmark's networks against its own parameter column."""

from __future__ import annotations

import numpy as np
import pytest

from pnag_jax import benchmarks, spaces
from pnag_jax.spaces import gnn_costs
from pnag_jax.spaces.gnn_forms import LINKS, OPS

SPACE = spaces.get("gnn")

CHAIN = np.array([LINKS.index((0, 1, 2, 3)), *map(OPS.index, ("skip", "skip", "gat", "fc"))])


@pytest.mark.parametrize("dataset", sorted(gnn_costs.NETWORKS))
def test_params_equal_the_tables_column(dataset):
    """In every row, but for the rows of ``physics`` that mix networks."""
    table = benchmarks.load("gnn")
    published = table.column(f"{dataset}/params")
    found = np.asarray(SPACE.params(table.genotypes, dataset))
    # The column is in float32, of counts up to 8.1 million.
    equal = np.abs(found - published) <= 1.0
    assert equal.sum() == (24_639 if dataset == "physics" else 26_206)


def test_params_by_hand():
    """Cora: 1,433 features, 7 classes, hidden width 256, a linear layer behind."""
    gat = 1_433 * 256 + 3 * 256
    fc = 256 * 256 + 256
    norms = 4 * 2 * 256
    behind = (256 * 256 + 256) + (256 * 7 + 7)
    assert SPACE.params(CHAIN) == gat + fc + norms + behind


def test_flops_by_hand():
    """2,708 nodes and 10,556 directed edges."""
    gat = 2_708 * 1_433 * 256 + 10_556 * 256
    fc = 2_708 * 256 * 256
    behind = 2_708 * (256 * 256 + 256 * 7)
    np.testing.assert_allclose(SPACE.flops(CHAIN), gat + fc + behind, rtol=1e-7)


def test_an_unknown_data_set_is_answered_with_the_accepted_ones():
    for cost in (SPACE.params, SPACE.flops):
        with pytest.raises(spaces.SpaceError, match="dataset = 'corra'; accepted are arxiv, cit"):
            cost(CHAIN, "corra")
