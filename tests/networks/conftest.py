"""What the tests of networks share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import pytest

IMAGES = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)


@pytest.fixture(scope="session")
def images() -> jax.Array:
    """Five small images: float32 ``[5, 8, 8, 1]``."""
    return jax.random.normal(jax.random.key(1), (5, 8, 8, 1))


def laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """The leaves of ``above``, and those of ``below`` that it lacks; refuses others."""
    assert above.keys() <= below.keys()
    return {
        name: laid_over(value, above.get(name, {}))
        if isinstance(value, Mapping)
        else above.get(name, value)
        for name, value in below.items()
    }
