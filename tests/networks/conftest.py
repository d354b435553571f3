"""What the tests of networks share."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax import networks
from pnag_jax.networks import mbconv

IMAGES = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)


@pytest.fixture(scope="session")
def images() -> jax.Array:
    """Five small images: float32 ``[5, 8, 8, 1]``."""
    return jax.random.normal(jax.random.key(1), (5, 8, 8, 1))


def assert_member(
    space: str, genotypes: Sequence[Sequence[int]], images: jax.Array, train: bool, **skeleton: Any
) -> None:
    """With a network's variables copied in, the population's logits are the network's."""
    population = networks.population(space, 3, **skeleton)
    genes = jnp.asarray(genotypes, jnp.int32)
    every = jax.jit(population.init)(jax.random.key(0), genes[0], images)
    mutable = ["batch_stats"] if train else []
    found = jax.jit(functools.partial(population.apply, train=train, mutable=mutable))
    for genotype, row in zip(genotypes, genes, strict=True):
        network = networks.build(space, genotype, 3, **skeleton)

        @jax.jit
        def alone(network=network):
            own = jax.tree.map(_stirred, network.init(jax.random.key(2), images))
            return own, network.apply(own, images, train=train, mutable=mutable)[0]

        own, expected = alone()
        logits = found(mbconv.copy_in(own, every), row, images)[0]
        np.testing.assert_allclose(logits, expected, rtol=2e-4, atol=2e-5)


def _stirred(leaf: jax.Array) -> jax.Array:
    """Other than at the start, where many an error makes no difference."""
    return leaf + 0.1 * jnp.cos(jnp.arange(leaf.size)).reshape(leaf.shape)
