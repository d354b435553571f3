"""The networks of NAS-Bench-201 beside the benchmark's own counts."""

from __future__ import annotations

import functools
import itertools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax import benchmarks, networks, spaces
from pnag_jax.networks import counting, nb201, nb201_population
from tests.networks.conftest import IMAGES

SMALL = {"channels": 2, "cells": 2}
# All five operations; a tensor that holds nothing, with convolutions on it.
GENOTYPES = ([3, 2, 4, 1, 3, 0], [0, 3, 2, 1, 0, 4])


@pytest.mark.parametrize(("dataset", "classes"), [("cifar10", 10), ("cifar100", 100)])
def test_costs_are_those_of_the_table(benchmark_dir, dataset, classes):
    """Both columns: a count, and multiply-accumulates.  Of a cell with all operations."""
    table = benchmarks.load("nb201", benchmark_dir)
    row = table.rows(np.array(GENOTYPES[:1]))[0]
    network = networks.build("nb201", table.genotypes[row], classes)
    assert counting.params(network, IMAGES) == table.column(f"{dataset}/params")[row]
    flops = counting.flops(network, IMAGES, dense_bias=True)
    # The column holds float32.
    assert np.float32(flops) == table.column(f"{dataset}/flops")[row]


def test_costs_are_those_of_the_space():
    """Of the convolutions, those on a tensor that holds nothing count too."""
    genotype = GENOTYPES[1]
    space, network = spaces.get("nb201"), networks.build("nb201", genotype, 10)
    assert counting.params(network, IMAGES) == space.params(genotype)
    assert counting.flops(network, IMAGES, dense_bias=True) == space.flops(genotype)


@pytest.fixture(scope="module")
def population():
    return networks.population("nb201", 10, **SMALL)


@pytest.fixture(scope="module")
def variables(population, images):
    """Of a population, away from the values that batch norm begins with."""
    shapes = jax.eval_shape(population.init, jax.random.key(0), jnp.zeros(6, jnp.int32), images)
    random = np.random.default_rng(0)
    return jax.tree.map(lambda x: 0.1 + 0.5 * random.random(x.shape, np.float32), shapes)


@pytest.mark.parametrize("genotype", GENOTYPES)
def test_a_network_is_a_member_of_the_population(population, variables, images, genotype):
    """The same logits and the same new moments of batch norm."""
    network = networks.build("nb201", genotype, 10, **SMALL)
    own = nb201_population.variables_of(variables, genotype)
    shapes = jax.eval_shape(network.init, jax.random.key(0), images)
    assert jax.tree.map(jnp.shape, own) == jax.tree.map(jnp.shape, shapes)

    expected, moments = _trained(network, own, images)
    found, all_moments = _trained(population, variables, jnp.array(genotype), images)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)
    chex.assert_trees_all_close(
        nb201_population.variables_of(all_moments, genotype), moments, rtol=1e-3, atol=1e-4
    )


@functools.partial(jax.jit, static_argnums=0)
def _trained(module, variables, *inputs):
    return module.apply(variables, *inputs, train=True, mutable=["batch_stats"])


def test_running_moments_serve_both_alike(population, variables, images):
    genotype = GENOTYPES[0]
    network = networks.build("nb201", genotype, 10, **SMALL)
    own = nb201_population.variables_of(variables, genotype)
    expected = jax.jit(network.apply)(own, images)
    found = jax.jit(population.apply)(variables, jnp.array(genotype), images)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_parameters_of_other_operations_have_no_gradient(population, variables, images):
    """Of a 3x3 convolution, a 1x1 one and what is neither."""
    genotype = jnp.array([3, 2, 1, 4, 1, 3])

    @jax.jit
    @jax.grad
    def gradient_of(params):
        given = {**variables, "params": params}
        return population.apply(given, genotype, images)[:, 0].sum()

    gradient = gradient_of(variables["params"])
    for stage, (edge, gene) in itertools.product(range(3), enumerate(genotype)):
        found = gradient[f"stage{stage}"][f"edge{edge}"]
        for name, op in (("conv3", 3), ("conv1", 2)):
            assert bool((found[name]["kernel"] != 0).any()) == (gene == op)


def test_borders_of_a_pool_do_not_count():
    """As in the benchmark (``count_include_pad=False``): a constant image stays constant."""
    pool = nb201.Op(nb201.POOL)
    image = jnp.full((1, 4, 4, 2), 7.0)
    np.testing.assert_allclose(pool.apply({}, image, False), image)
