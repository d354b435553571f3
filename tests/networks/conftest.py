"""What the tests of networks share."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import pytest

IMAGES = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)


@pytest.fixture(scope="session")
def images() -> jax.Array:
    """Five small images: float32 ``[5, 8, 8, 1]``."""
    return jax.random.normal(jax.random.key(1), (5, 8, 8, 1))
