"""Chains by hand."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax.spaces import chain


def test_a_graph_of_two_layers_of_three_kinds():
    graph = chain.graph(jnp.array([2, 0]), 3)
    assert graph.ops.argmax(-1).tolist() == [0, 3, 1, 4]
    assert graph.ops.sum(-1).tolist() == [1, 1, 1, 1] == graph.mask.tolist()
    assert graph.adjacency.tolist() == [[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]]


def test_labels_of_two_layers():
    labels = chain.labels(("a", "b"))
    assert labels.nodes == ("input", "a", "b", "output")
    assert labels.edges == ((0, 1, ""), (1, 2, ""), (2, 3, ""))


@pytest.mark.parametrize("layers", [1, 5, 8, 20])
def test_as_many_layers_are_kept_as_asked_for(layers):
    for count in range(1, layers + 1):
        kept = chain.kept(layers, count)
        assert kept.sum() == count
        # Evenly: the gaps between those that stay differ by one at most.
        gaps = np.diff(np.flatnonzero(kept))
        assert count < 2 or gaps.max() - gaps.min() <= 1
    assert chain.kept(layers, 1)[layers // 2]


def test_a_total_is_the_sum_of_integers():
    per_layer = np.array([[1, 2], [30, 40]], np.int32)
    kinds = jnp.array([[0, 0], [1, 0], [0, 1], [1, 1]])
    found = chain.total(kinds, per_layer, 500)
    assert found.dtype == jnp.float32 and found.tolist() == [531, 532, 541, 542]
    # In float32 the 2 would be lost before the second -2^25 is added.
    large = np.array([[2**25], [-(2**25)]], np.int32)
    assert chain.total(jnp.array([0, 0]), large, 2).item() == 2
