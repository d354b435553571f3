"""The networks of NAS-Bench-Macro beside the benchmark's columns."""

from __future__ import annotations

import numpy as np
import pytest

from pnag_jax import benchmarks, networks, spaces
from pnag_jax.networks import counting

from .conftest import IMAGES, assert_member

SMALL = {"channels": 4, "head_channels": 8}
# Identities with and without a convolution, both blocks with and without a stride.
GENOTYPES = ([0, 0, 1, 2, 0, 2, 1, 0], [2, 1, 0, 0, 1, 1, 2, 2])


def test_costs_are_those_of_the_table(benchmark_dir):
    table = benchmarks.load("macro", benchmark_dir)
    best = int(np.argmax(table.column("cifar10/test_accuracy")))
    for row in (0, best, len(table.genotypes) - 1):
        network = networks.build("macro", table.genotypes[row], 10)
        assert counting.params(network, IMAGES) == table.column("cifar10/params")[row]
        assert counting.flops(network, IMAGES) == table.column("cifar10/flops")[row]


@pytest.mark.parametrize("genotype", GENOTYPES)
def test_costs_are_those_of_the_space(genotype):
    space, network = spaces.get("macro"), networks.build("macro", genotype, 7)
    assert counting.params(network, IMAGES) == space.params(genotype, 7)
    assert counting.flops(network, IMAGES) == space.flops(genotype, 7)


@pytest.mark.parametrize(("genotype", "train"), list(zip(GENOTYPES, [False, True], strict=True)))
def test_a_network_is_a_member_of_the_population(images, genotype, train):
    assert_member("macro", genotype, images, train, **SMALL)
