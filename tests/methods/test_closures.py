"""Compiled functions do not hold the arrays that they close over."""

from __future__ import annotations

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax.methods import closures

TABLE = np.arange(100_000, dtype=np.float32)


def look_up(tree):
    key, draw = jax.random.split(tree["key"])
    return {"found": jnp.asarray(TABLE)[tree["row"]], "draw": jax.random.bits(draw)}, key


@pytest.fixture
def tree():
    return {"row": jnp.array([3, 99_999]), "key": jax.random.key(0)}


@pytest.fixture
def strict():
    """JAX warns of constants of more than a kilobyte."""
    before = jax.config.jax_captured_constants_warn_bytes
    jax.config.update("jax_captured_constants_warn_bytes", 1000)
    yield
    jax.config.update("jax_captured_constants_warn_bytes", before)


def test_results_are_those_of_the_function(tree):
    found, expected = closures.jit(look_up)(tree), look_up(tree)
    np.testing.assert_array_equal(found[0]["found"], [3, 99_999])
    assert found[0]["draw"] == expected[0]["draw"]
    np.testing.assert_array_equal(*(jax.random.key_data(each[1]) for each in (found, expected)))


def test_arrays_of_the_closure_are_no_constants(tree, strict):
    with pytest.warns(UserWarning, match="constants were captured"):
        jax.jit(look_up)(tree)
    with warnings.catch_warnings(action="error"):
        closures.jit(look_up)(tree)


def test_it_is_traced_once_for_a_shape(tree):
    traced = []
    compiled = closures.jit(lambda tree: traced.append(tree) or look_up(tree))
    for row in (1, 2):
        found, _ = compiled({**tree, "row": jnp.array([row])})
        assert found["found"] == row
    assert len(traced) == 1
    compiled(tree)
    assert len(traced) == 2
