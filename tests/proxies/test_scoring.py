"""Scores of whole networks."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax import networks, proxies
from pnag_jax.errors import UsageError
from pnag_jax.networks import mbconv

SKELETON = {"channels": 2, "cells": 1}
# conv3x3 on all edges; a skip connection from input to output; nothing at all.
CELLS = np.array([[3] * 6, [0, 0, 0, 1, 0, 0], [0] * 6])


@pytest.fixture(scope="module")
def batch():
    inputs = jax.random.normal(jax.random.key(1), (4, 8, 8, 1))
    return inputs, jnp.arange(4) % 3


def score(names, cells, batch, **options):
    chosen = [proxies.get(name) for name in names]
    return proxies.score_all(
        chosen, "nb201", cells, *batch, jax.random.key(0), num_classes=3, **SKELETON, **options
    )


@pytest.fixture(scope="module")
def flows(batch):
    return score(["synflow"], CELLS, batch)["synflow"]


def test_all_are_scored_and_nothing_flows_through_nothing(flows):
    assert flows.dtype == np.float32 and flows.shape == (3,)
    assert flows[0] > flows[1] > flows[2] == -np.inf


def test_the_network_of_one_cell_scores_as_the_cell_in_the_network_of_all(flows, batch):
    network = networks.build("nb201", CELLS[0], 3, **SKELETON)
    together = networks.branches("nb201", 3, **SKELETON)
    # As ``score_all`` makes it of ``jax.random.key(0)``.
    key = jax.random.key(jax.random.bits(jax.random.key(0)), impl="rbg")
    variables = jax.jit(together.init)(key, CELLS[0], batch[0][:1])
    shapes = jax.eval_shape(network.init, jax.random.key(0), batch[0][:1])
    own = jax.tree_util.tree_map_with_path(lambda path, _: _at(variables, path), shapes)
    probe = proxies.probe(network, own, *batch)
    assert proxies.get("synflow").score(probe) == pytest.approx(flows[0], rel=1e-4)


def _at(tree, path):
    for key in path:
        tree = tree[key.key]
    return tree


def test_unknown_proxies_and_tokens_are_refused(batch):
    with pytest.raises(UsageError, match="'epe' is unknown; accepted are flops, grad_norm, grasp"):
        proxies.get("epe")
    tokens = jnp.zeros((2, 5), jnp.int32)
    with pytest.raises(UsageError, match="jacob_cov: has no meaning for tokens"):
        score(["jacob_cov"], CELLS, (tokens, tokens))


def test_what_a_network_leaves_out_of_the_network_of_all_counts_for_nothing(batch):
    """Both kinds of blocks, and identities with and without a convolution."""
    genotype, small = [0, 0, 1, 2, 0, 2, 1, 0], {"channels": 4, "head_channels": 8}
    network = networks.build("macro", genotype, 3, **small)
    everything = networks.population("macro", 3, **small)
    own = jax.jit(network.init)(jax.random.key(0), batch[0][:1])
    whole = jax.jit(everything.init)(jax.random.key(1), jnp.array(genotype), batch[0][:1])
    given = mbconv.copy_in(own, whole)
    chosen = [proxies.get(name) for name in ("grad_norm", "snip", "synflow")]
    assert proxies.in_one_program("macro", chosen)

    @jax.jit
    def scores(own, given):
        alone = proxies.probe(network, own, *batch)
        within = proxies.probe(everything, given, *batch, jnp.array(genotype))
        return [(proxy.score(alone), proxy.score(within)) for proxy in chosen]

    for alone, within in jax.device_get(scores(own, given)):
        np.testing.assert_allclose(within, alone, rtol=1e-3)


def test_what_counts_more_than_weights_needs_a_network_of_its_own():
    assert proxies.in_one_program("macro", map(proxies.get, ("snip", "params")))
    assert not proxies.in_one_program("macro", map(proxies.get, ("snip", "naswot")))
    assert not proxies.in_one_program("gpt2", [proxies.get("snip")])
    assert proxies.in_one_program("nb201", map(proxies.get, proxies.names()))
