"""Counts of paths by hand, and distances against their definition."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

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


def groups(space, features) -> dict[str, np.ndarray]:
    group_of = path_features.group_of(space)
    assert features.shape[1] == path_features.width(space) == len(group_of)
    return {
        name: np.asarray(features)[:, group_of == index]
        for index, name in enumerate(path_features.GROUPS)
    }


# Cells that are graphs, operations on edges, and a chain.
@pytest.mark.parametrize("name", ["gnn", "macro", "nb101", "nb201"])
def test_two_uniform_draws_are_one_apart_in_every_group(name):
    space = spaces.get(name)
    drawn = space.canonical(space.sample(jax.random.key(1), 600))
    for name, group in groups(space, path_features.embed(space, drawn)).items():
        apart = np.asarray(path_features.squared(group[:300], group[300:]))
        # Paths that few architectures have decide theirs: rare, and far away.
        assert apart.mean() == pytest.approx(1, rel=0.5 if name == "paths" else 0.15)
        expected = np.square(group[17] - group[305]).sum()
        np.testing.assert_allclose(apart[17, 5], expected, rtol=1e-4, atol=1e-5)


def test_operations_are_adjacent_along_edges():
    # conv -> pool -> output, beside a conv straight to the output.
    cell = NB201.canonical(jnp.array([[CONV, NONE, NONE, CONV, POOL, NONE]]))
    adjacent = groups(NB201, path_features.embed(NB201, cell))["adjacent"]
    counts = (adjacent / adjacent[adjacent > 0].min()).reshape(NB201.num_ops, NB201.num_ops)
    graph = NB201.to_graph(cell[0])
    kind, feeds = np.asarray(graph.ops).argmax(-1), np.asarray(graph.adjacency)
    expected = np.zeros_like(counts)
    for source, target in np.argwhere(feeds > 0):
        expected[kind[source], kind[target]] += 1
    np.testing.assert_allclose(counts, expected, rtol=1e-5)
    names = NB201.op_names
    conv, pool = names.index("nor_conv_3x3"), names.index("avg_pool_3x3")
    assert counts[conv, pool] == 1 and counts[pool, conv] == 0


def test_costs_are_normal_scores_among_uniform_draws():
    cells = NB201.canonical(NB201.sample(jax.random.key(4), 500))
    costs = groups(NB201, path_features.embed(NB201, cells))["costs"]
    for score, cost in zip(costs.T, (NB201.params(cells), NB201.flops(cells)), strict=True):
        assert stats.spearmanr(score, cost)[0] == pytest.approx(1)
        assert abs(score.mean()) < 0.1 * score.std()


def test_the_same_is_at_no_distance():
    cells = NB201.canonical(NB201.sample(jax.random.key(0), 50))
    features = path_features.embed(NB201, cells)
    apart = path_features.squared(features, features)
    same = (np.asarray(cells)[:, None] == np.asarray(cells)[None]).all(-1)
    np.testing.assert_array_equal(np.asarray(apart) == 0, same)


@pytest.mark.parametrize("space", [NB201, spaces.as_written(NB201), spaces.get("macro")])
def test_what_is_looked_up_is_what_is_computed(space):
    cells = space.canonical(space.sample(jax.random.key(2), 40))
    scale = np.array(path_features._scales(space))[path_features.group_of(space)]
    computed = np.concatenate(path_features._groups(space, cells), axis=1) * scale
    assert path_features._kept(space) is not None
    np.testing.assert_allclose(path_features.embed(space, cells), computed, rtol=1e-5, atol=1e-7)
    assert path_features._kept(spaces.get("darts")) is None
