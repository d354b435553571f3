"""What the tests of networks share."""

from __future__ import annotations

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
    space: str, genotype: Sequence[int], images: jax.Array, train: bool, **skeleton: Any
) -> None:
    """With a network's variables copied in, the population's logits are the network's."""
    network = networks.build(space, genotype, 3, **skeleton)
    population = networks.population(space, 3, **skeleton)
    row, key = jnp.asarray(genotype, jnp.int32), jax.random.key(0)
    own = filled(jax.eval_shape(network.init, key, images), seed=1)
    every = filled(jax.eval_shape(population.init, key, row, images), seed=0)
    settings = {"train": train, "mutable": ["batch_stats"] if train else []}
    # Not compiled as a whole: layers of the same shapes are many, and share their programs.
    expected = network.apply(own, images, **settings)[0]
    found = population.apply(mbconv.copy_in(own, every), row, images, **settings)[0]
    assert np.std(expected) > 1e-3
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def filled(shapes: Any, seed: int) -> Any:
    """Variables of these shapes, none as at the start, where many an error makes no difference."""
    rng = np.random.default_rng(seed)

    def fill(path: Any, leaf: jax.ShapeDtypeStruct) -> np.ndarray:
        noise = rng.normal(size=leaf.shape).astype(np.float32)
        if leaf.ndim > 1:
            return noise * np.sqrt(2 / np.prod(leaf.shape[:-1]), dtype=np.float32)
        return 0.1 * noise + (path[-1].key in ("scale", "var"))

    return jax.tree_util.tree_map_with_path(fill, shapes)
