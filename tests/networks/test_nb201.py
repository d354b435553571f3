"""The networks of NAS-Bench-201 beside the benchmark's own counts."""

from __future__ import annotations

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax import benchmarks, networks, spaces
from pnag_jax.networks import counting, nb201, nb201_population
from tests.networks.conftest import IMAGES

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
    """Of a population, away from the values that batch norm begins with."""
    init = jax.jit(population.init)
    made = init(jax.random.key(0), jnp.zeros(6, jnp.int32), images)
    keys = jax.random.split(jax.random.key(1), 2)
    scale = {"params": 0.3, "batch_stats": 0.1}
    return {
        name: jax.tree.map(
            lambda x, key=key, size=scale[name]: (
                x + size * jnp.abs(jax.random.normal(key, x.shape))
            ),
            made[name],
        )
        for name, key in zip(("params", "batch_stats"), keys, strict=True)
    }


@pytest.mark.parametrize("genotype", GENOTYPES)
def test_a_network_is_a_member_of_the_population(population, variables, images, genotype):
    """The same logits, with running moments and in training, and the same new moments."""
    network = networks.build("nb201", genotype, 10, **SMALL)
    own = nb201_population.variables_of(variables, genotype)
    shapes = jax.eval_shape(network.init, jax.random.key(0), images)
    assert jax.tree.map(jnp.shape, own) == jax.tree.map(jnp.shape, shapes)

    for train in (False, True):
        run = {"train": train, "mutable": ["batch_stats"]}
        expected, moments = network.apply(own, images, **run)
        found, all_moments = population.apply(variables, jnp.array(genotype), images, **run)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
        chex.assert_trees_all_close(
            nb201_population.variables_of(all_moments, genotype), moments, rtol=1e-4, atol=1e-5
        )


def test_parameters_of_other_operations_have_no_gradient(population, variables, images):
    """Convolutions of edges that skip, pool or do nothing."""

    def total(params):
        both = {**variables, "params": params}
        return population.apply(both, jnp.array([3, 2, 4, 1, 3, 0]), images).sum()

    gradient = jax.grad(total)(variables["params"])["stage0_cell0"]
    assert jnp.abs(gradient["from0"]["conv3"][0]).max() > 0
    assert jnp.abs(gradient["from0"]["conv1"][1]).max() > 0
    for source, name, edge in (("from0", "conv1", 0), ("from0", "conv3", 1), ("from2", "conv3", 0)):
        assert (gradient[source][name][edge] == 0).all()


def test_borders_of_a_pool_do_not_count():
    """As in the benchmark (``count_include_pad=False``): a constant image stays constant."""
    pool = nb201.Op(nb201.POOL)
    image = jnp.full((1, 4, 4, 2), 7.0)
    np.testing.assert_allclose(pool.apply({}, image, False), image)
