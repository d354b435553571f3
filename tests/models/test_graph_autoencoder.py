"""The flax modules: symmetry, padding, and the layout of logits."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax import spaces
from pnag_jax.models.graph_autoencoder import GraphDecoder, GraphEncoder, split_logits


def applied(encoder: GraphEncoder, graph, seed: int = 0) -> jax.Array:
    @jax.jit
    def run(graph):
        return encoder.apply(encoder.init(jax.random.key(seed), *graph), *graph)

    return run(graph)


@pytest.mark.parametrize("num_layers", [0, 1])
def test_maps_are_symmetric_and_tell_architectures_apart(num_layers):
    space = spaces.get("gnn")
    graph = space.to_graph(space.sample(jax.random.key(0), 6))
    e = applied(GraphEncoder(channels=3, width=8, num_layers=num_layers), graph)
    assert e.shape == (6, space.num_nodes, space.num_nodes, 3) and e.dtype == jnp.float32
    assert jnp.isfinite(e).all()
    np.testing.assert_array_equal(e, jnp.swapaxes(e, 1, 2))
    assert len(np.unique(np.asarray(e).reshape(6, -1).round(4), axis=0)) == 6


def test_attention_never_looks_at_padding_nodes():
    keys = jax.random.split(jax.random.key(0), 2)
    ops = jax.random.normal(keys[0], (1, 5, 4))
    adjacency = jnp.triu(jnp.ones((1, 5, 5)), 1)
    mask = jnp.array([[1.0, 1, 1, 0, 0]])
    encoder = GraphEncoder(channels=3, width=8, num_layers=1)
    plain = applied(encoder, (ops, adjacency, mask))
    padding = ops.at[:, 3:].add(jax.random.normal(keys[1], (1, 2, 4)))
    disturbed = applied(encoder, (padding, adjacency, mask))
    np.testing.assert_allclose(plain[:, :3, :3], disturbed[:, :3, :3], atol=1e-5)
    assert jnp.abs(plain[:, 3:] - disturbed[:, 3:]).max() > 1e-3


def test_without_attention_a_pair_depends_on_its_own_nodes_and_edge():
    space = spaces.get("nb201")
    genotypes = jnp.array([[3, 3, 3, 3, 3, 3], [1, 3, 3, 3, 3, 3]])  # gene 0 is node 1
    encoder = GraphEncoder(channels=3, width=8, num_layers=0, position=False)
    one, other = applied(encoder, space.to_graph(genotypes))
    changed = jnp.abs(one - other).max(-1) > 1e-6
    expected = np.zeros((8, 8), bool)
    expected[1] = expected[:, 1] = True
    np.testing.assert_array_equal(changed, expected)


def test_a_pair_that_does_not_know_its_nodes_tells_its_link_alone():
    encoder = GraphEncoder(4, 8, 0, position=False, pair_nodes=False)
    ops = jax.nn.one_hot(jnp.array([[0, 1, 2, 3], [0, 2, 2, 3]]), 4)
    links = jnp.eye(4, k=1)[None].repeat(2, axis=0)
    params = encoder.init(jax.random.key(0), ops, links, jnp.ones((2, 4)))
    e = np.asarray(encoder.apply(params, ops, links, jnp.ones((2, 4))))
    changed = (e[0] != e[1]).any(-1)
    assert np.argwhere(changed).tolist() == [[1, 1]]
    # All linked pairs are alike, and none is like one without a link.
    np.testing.assert_array_equal(e[0, 0, 1], e[0, 2, 3])
    assert (e[0, 0, 1] != e[0, 0, 2]).any()


def test_positions_are_known_only_where_asked_for():
    graph = spaces.get("nb201").to_graph(jnp.full((1, 6), 3))

    def diagonal(position: bool) -> np.ndarray:
        encoder = GraphEncoder(channels=3, width=8, num_layers=0, position=position)
        return np.asarray(applied(encoder, graph))[0, range(1, 7), range(1, 7)]

    # Six nodes of one type, none of which feeds itself.
    assert np.ptp(diagonal(False), axis=0).max() < 1e-6
    assert np.ptp(diagonal(True), axis=0).max() > 1e-4


def test_decoder_takes_any_leading_axes():
    decoder = GraphDecoder(num_ops=5, hidden=7)
    e = jax.random.normal(jax.random.key(0), (2, 3, 4, 4, 2))
    params = decoder.init(jax.random.key(1), e)
    ops, edges = jax.jit(decoder.apply)(params, e)
    assert ops.shape == (2, 3, 4, 5) and edges.shape == (2, 3, 4, 4)
    alone = jax.jit(decoder.apply)(params, e[1, 2])
    np.testing.assert_allclose(alone[0], ops[1, 2], atol=1e-5)
    np.testing.assert_allclose(alone[1], edges[1, 2], atol=1e-5)


def test_logits_are_node_types_first_then_edges():
    ops, edges = split_logits(jnp.arange(10), num_nodes=2, num_ops=3)
    assert ops.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert edges.tolist() == [[6, 7], [8, 9]]
