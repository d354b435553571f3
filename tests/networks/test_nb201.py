"""The networks of NAS-Bench-201 beside the benchmark's own counts."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax import benchmarks, networks, spaces
from pnag_jax.networks import counting

from .conftest import IMAGES, laid_over

SMALL = {"channels": 4, "cells": 1}
# All five operations; a dead tensor whose convolution still counts; nothing at all.
GENOTYPES = ([3, 2, 4, 1, 3, 0], [0, 3, 2, 1, 0, 4], [0, 0, 0, 0, 0, 0])


def test_costs_are_those_of_the_table(benchmark_dir):
    """Both columns (a count; multiply-accumulates) of the first, the best and the last row."""
    table = benchmarks.load("nb201", benchmark_dir)
    rows = (0, int(np.argmax(table.column("cifar10/test_accuracy"))), len(table.genotypes) - 1)
    for row in rows:
        for dataset, classes in (("cifar10", 10), ("cifar100", 100)):
            network = networks.build("nb201", table.genotypes[row], classes)
            flops = counting.flops(network, IMAGES, dense_bias=True)
            assert counting.params(network, IMAGES) == table.column(f"{dataset}/params")[row]
            # The column holds float32.
            assert np.float32(flops) == table.column(f"{dataset}/flops")[row]


@pytest.mark.parametrize("genotype", GENOTYPES)
def test_costs_are_those_of_the_space(genotype):
    space, network = spaces.get("nb201"), networks.build("nb201", genotype, 10)
    assert counting.params(network, IMAGES) == space.params(genotype)
    assert counting.flops(network, IMAGES, dense_bias=True) == space.flops(genotype)


@pytest.fixture(scope="module")
def population():
    return networks.population("nb201", 10, **SMALL)


@pytest.fixture(scope="module")
def variables(population, images):
    init = jax.jit(population.init)
    return init(jax.random.key(0), jnp.zeros(6, jnp.int32), images)


@pytest.mark.parametrize("genotype", GENOTYPES)
@pytest.mark.parametrize("train", [False, True])
def test_a_network_is_a_member_of_the_population(population, variables, images, genotype, train):
    network = networks.build("nb201", genotype, 10, **SMALL)
    own = jax.jit(network.init)(jax.random.key(2), images)
    mutable = ["batch_stats"] if train else []

    @functools.partial(jax.jit, static_argnums=0)
    def logits(module, variables, *inputs):
        return module.apply(variables, *inputs, train=train, mutable=mutable)

    expected, stats = logits(network, own, images)
    both = laid_over(variables, own)
    found, all_stats = logits(population, both, jnp.array(genotype), images)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    # What the architecture has not is not touched.
    expected_stats = laid_over({"batch_stats": both["batch_stats"]}, stats) if train else {}
    jax.tree.map(
        functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6),
        dict(all_stats),
        expected_stats,
    )


def test_borders_of_a_pool_do_not_count():
    """As in the benchmark (``count_include_pad=False``): a constant image stays constant."""
    pool = networks.nb201.Op(networks.nb201.POOL)
    image = jnp.full((1, 4, 4, 2), 7.0)
    np.testing.assert_allclose(pool.apply({}, image, False), image)
