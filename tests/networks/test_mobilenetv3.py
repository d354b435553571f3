"""The networks of Once-for-All's space beside the columns of measured subnets."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax import benchmarks, networks, spaces
from pnag_jax.networks import counting, mobilenetv3

from .conftest import assert_member

SPACE = spaces.get("mobilenetv3")
LARGEST = [2] * 45 + [24]
# All kernels, expansions and depths; 132 pixels are halved to 66, 33, 17, 9 and 5.
MIXED = [0, 1, 2, 0] * 5 + [2, 0, 1, 2] * 5 + [0, 1, 2, 0, 1] + [1]


def images_of(genotype) -> jax.ShapeDtypeStruct:
    side = mobilenetv3.resolution(genotype)
    return jax.ShapeDtypeStruct((1, side, side, 3), jnp.float32)


def test_costs_are_those_of_the_table(benchmark_dir):
    table = benchmarks.load("mobilenetv3", benchmark_dir)
    best = int(np.argmax(table.column("imagenet/top1")))
    for row in (0, best):
        genotype = table.genotypes[row]
        network, images = networks.build("mobilenetv3", genotype, 1000), images_of(genotype)
        assert counting.params(network, images) == table.column("imagenet/params")[row]
        flops = np.float32(counting.flops(network, images))
        assert flops == table.column("imagenet/flops")[row]


@pytest.mark.parametrize(("genotype", "width"), [(LARGEST, 1.2), (MIXED, 1.0)])
def test_costs_are_those_of_the_space(genotype, width):
    network, images = networks.build("mobilenetv3", genotype, 10, width=width), images_of(genotype)
    assert counting.params(network, images) == SPACE.params(genotype, 10, width=width)
    assert np.float32(counting.flops(network, images)) == SPACE.flops(genotype, 10, width=width)


def test_a_network_is_a_member_of_the_population(images):
    assert_member("mobilenetv3", MIXED, images, train=False, width=0.1)
