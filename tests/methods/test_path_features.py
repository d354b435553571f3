"""Counts of paths by hand, and distances against their definition."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax import spaces
from pnag_jax.methods import path_features

NB201 = spaces.get("nb201")
NONE, SKIP, CONV, POOL = 0, 1, 3, 4


def counts(genotype) -> np.ndarray:
    graph = NB201.to_graph(jnp.array(genotype))
    return np.asarray(path_features.path_counts(NB201.op_names, graph))


# Genes are the edges 0->1, 0->2, 1->2, 0->3, 1->3, 2->3.
@pytest.mark.parametrize(
    ("genotype", "paths"),
    [
        ([NONE, NONE, NONE, CONV, NONE, NONE], 1),
        ([CONV, NONE, NONE, CONV, NONE, NONE], 1),  # what leads nowhere is no path
        ([CONV, NONE, NONE, CONV, CONV, NONE], 2),
        ([CONV] * 6, 4),  # 0-3, 0-1-3, 0-2-3, 0-1-2-3
        ([NONE] * 6, 0),
    ],
)
def test_as_many_as_there_are_paths(genotype, paths):
    assert counts(genotype).sum() == paths


def test_a_kind_is_the_sequence_of_what_computes():
    direct = counts([NONE, NONE, NONE, CONV, NONE, NONE])
    np.testing.assert_array_equal(direct, counts([SKIP, NONE, NONE, NONE, CONV, NONE]))
    np.testing.assert_array_equal(2 * direct, counts([SKIP, NONE, NONE, CONV, CONV, NONE]))
    one_after_another = counts([CONV, NONE, NONE, NONE, POOL, NONE])
    assert (one_after_another != direct).any()
    assert (one_after_another != counts([POOL, NONE, NONE, NONE, CONV, NONE])).any()


@pytest.mark.parametrize("name", spaces.names())
def test_two_uniform_draws_are_one_apart_on_average(name):
    space = spaces.get(name)
    drawn = space.canonical(space.sample(jax.random.key(1), 600))
    features = path_features.embed(space, drawn)
    assert features.shape == (600, path_features.width(space))
    apart = np.asarray(path_features.squared(features[:300], features[300:]))
    assert 0.9 < apart.mean() < 1.1
    i, j = 17, 5
    expected = np.square(np.asarray(features[i]) - np.asarray(features[300 + j])).sum()
    np.testing.assert_allclose(apart[i, j], expected, rtol=1e-4)


def test_the_same_is_at_no_distance():
    cells = NB201.canonical(NB201.sample(jax.random.key(0), 50))
    features = path_features.embed(NB201, cells)
    apart = path_features.squared(features, features)
    same = (np.asarray(cells)[:, None] == np.asarray(cells)[None]).all(-1)
    np.testing.assert_array_equal(np.asarray(apart) == 0, same)


def test_a_view_without_paths_does_not_see_them():
    cells = NB201.canonical(NB201.sample(jax.random.key(2), 400))
    features = path_features.embed(NB201, cells)
    genes = jax.nn.one_hot(cells, 5).reshape(400, -1)
    operations = NB201.to_graph(cells).ops.sum(axis=-2)
    means, expected = [], 0.0
    for group in (genes, operations):
        apart = np.square(np.asarray(group[:200]) - np.asarray(group[200:])).sum(1)
        means.append(apart.mean())
        expected = expected + apart / means[-1] / 2
    own = path_features.seen(features, 0)
    apart = np.diag(np.asarray(path_features.squared(own[:200], own[200:])))
    # The scale is that of other draws.
    np.testing.assert_allclose(apart / apart.mean(), expected / expected.mean(), rtol=0.05)
    np.testing.assert_array_equal(path_features.seen(features, 1), features)


@pytest.mark.parametrize("view", range(path_features.VIEWS))
def test_two_uniform_draws_are_one_apart_in_every_view(view):
    drawn = NB201.canonical(NB201.sample(jax.random.key(3), 600))
    features = path_features.seen(path_features.embed(NB201, drawn), view)
    assert 0.9 < float(path_features.squared(features[:300], features[300:]).mean()) < 1.1
