"""Calls of the host: whole arrays, whatever their size, and one search after the other."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax.methods import host

SCALAR = jax.ShapeDtypeStruct((), jnp.float32)


# Of 16,384 floats a piece is full; the third is cut into three, the last one short.
@pytest.mark.parametrize("shape", [(), (4096, 4), (10_000, 4), (3, 20_000), (0, 5)])
def test_an_array_arrives_as_it_is(shape):
    array = jax.random.normal(jax.random.key(0), shape)
    seen = []

    def function(given, number):
        seen.append((given, number))
        return given.sum()

    found = host.call(function, SCALAR, array, jnp.int32(3))
    assert found.dtype == jnp.float32
    (given, number), *_ = seen
    assert type(given) is np.ndarray and number == 3
    np.testing.assert_array_equal(given, array)


def test_no_piece_is_large_enough_to_be_copied_by_another_thread():
    pieces = host._pieces(jnp.zeros((1000, 300)))
    assert max(piece.nbytes for piece in pieces) <= 65_536
    assert sum(len(piece) for piece in pieces) == 1000


def test_searches_side_by_side_are_served_one_by_one():
    def function(row):
        assert row.shape == (3,)
        return row.sum()

    rows = jnp.arange(12.0).reshape(4, 3)
    found = jax.jit(jax.vmap(lambda row: host.call(function, SCALAR, row)))(rows)
    np.testing.assert_array_equal(found, [3, 12, 21, 30])


def test_a_seed_is_that_of_its_key():
    seeds = [int(host.seed(jax.random.key(i))) for i in (0, 0, 1)]
    assert seeds[0] == seeds[1] != seeds[2] and min(seeds) >= 0
