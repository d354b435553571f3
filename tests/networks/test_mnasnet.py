"""The networks of the MnasNet space beside the benchmark's columns."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax import benchmarks, networks, spaces
from pnag_jax.networks import counting

from .conftest import assert_member

IMAGES = jax.ShapeDtypeStruct((1, 224, 224, 3), jnp.float32)
SMALLEST, LARGEST = [0] * 28, [2, 1, 2, 1] * 5 + [2, 1, 3, 1] + [2, 1, 2, 1]
# Blocks that expand nothing, with and without a squeeze; two layers of three.
MIXED = [0, 1, 1, 1, 1, 0, 0, 0, 0, 0, 1, 0, 2, 1, 0, 1, 1, 1, 0, 0, 0, 0, 2, 1, 1, 0, 1, 1]


def test_costs_are_those_of_the_table(benchmark_dir):
    table = benchmarks.load("mnasnet", benchmark_dir)
    best = int(np.argmax(table.column("imagenet/valid_top1")))
    for row in (0, best):
        network = networks.build("mnasnet", table.genotypes[row], 1000)
        millions = np.float32(counting.params(network, IMAGES) / 1e6)
        assert millions == table.column("imagenet/params_m")[row]


@pytest.mark.parametrize("genotype", [SMALLEST, LARGEST, MIXED])
def test_costs_are_those_of_the_space(genotype):
    space, network = spaces.get("mnasnet"), networks.build("mnasnet", genotype, 10)
    assert counting.params(network, IMAGES) == space.params(genotype, 10)
    assert np.float32(counting.flops(network, IMAGES)) == space.flops(genotype, 10)


def test_a_network_is_a_member_of_the_population(images):
    assert_member("mnasnet", MIXED, images, train=False, width=0.1)
