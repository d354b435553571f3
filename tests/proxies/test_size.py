"""Sizes as scores, by hand and beside what spaces and networks say."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from pnag_jax import networks, proxies, spaces
from pnag_jax.networks import counting
from pnag_jax.proxies import Probe

NAMES = ("flops", "params")


def test_sizes_worked_out_by_hand():
    params = {"kernel": jnp.ones((3, 2)), "bias": jnp.zeros(2)}
    inputs = jnp.ones((5, 3))
    probe = Probe(lambda p, x, train: x @ p["kernel"] + p["bias"], params, inputs, jnp.zeros(5))
    # One example of three numbers, two sums of three products.
    assert [float(proxies.get(name).score(probe)) for name in NAMES] == [6, 8]


def test_a_network_has_the_size_that_its_module_has():
    network = networks.build("macro", [0, 1, 2, 0, 1, 2, 0, 1], 10, channels=4)
    images = jnp.zeros((2, 8, 8, 3))
    shapes = jax.eval_shape(network.init, jax.random.key(0), images)
    variables = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)
    probe = proxies.probe(network, variables, images, jnp.zeros(2, jnp.int32))
    expected = counting.flops(network, images[:1]), counting.params(network, images[:1])
    assert tuple(int(proxies.get(name).score(probe)) for name in NAMES) == expected


def test_many_are_scored_without_their_networks(monkeypatch):
    monkeypatch.delattr(networks, "build")
    space = spaces.get("mnasnet")
    genotypes = np.asarray(space.sample(jax.random.key(0), 20))
    chosen = [proxies.get(name) for name in NAMES]
    nothing = np.zeros((2, 8, 8, 3)), np.zeros(2, np.int32)
    found = proxies.score_all(
        chosen, "mnasnet", genotypes, *nothing, jax.random.key(0), num_classes=10
    )
    assert list(found) == list(NAMES) and found["flops"].dtype == np.float32
    np.testing.assert_array_equal(found["params"], space.params(genotypes))
    np.testing.assert_array_equal(found["flops"], space.flops(genotypes))
