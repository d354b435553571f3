"""Random streams: what training needs of them."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from pnag_jax.networks import streams


def bits(seed, count=1 << 16):
    return jax.random.bits(streams.key(jnp.uint32(seed)), (count,))


def test_each_bit_is_set_half_the_time_whatever_the_seed():
    for seed in (0, 1, 2**32 - 1):
        numbers = np.asarray(bits(seed))
        share = (numbers[:, None] >> np.arange(32) & 1).mean(axis=0)
        assert np.abs(share - 0.5).max() < 5 * 0.5 / 256  # five standard errors


def test_neighbours_in_a_stream_and_streams_of_neighbouring_seeds_are_uncorrelated():
    first, second = (np.asarray(bits(seed), np.float64) for seed in (7, 8))
    for a, b in ((first, second), (first[1:], first[:-1]), (first[2:], first[:-2])):
        assert abs(np.corrcoef(a, b)[0, 1]) < 5 / 256


def test_keys_that_are_split_or_folded_differ_from_each_other_and_from_the_stream():
    key = streams.key(jnp.uint32(3))
    made = [
        jax.random.key_data(key)[None],
        jax.random.key_data(jax.random.split(key, 100)),
        jax.random.key_data(jax.vmap(jax.random.fold_in, (None, 0))(key, 1000 + jnp.arange(100))),
        jax.random.bits(key, (100, 2)),
    ]
    rows = np.concatenate(made)
    assert len(np.unique(rows, axis=0)) == len(rows)


def test_jit_and_vmap_change_nothing():
    seeds = jnp.arange(4, dtype=jnp.uint32)

    def draw(seed):
        one, two = jax.random.split(streams.key(seed))
        return jax.random.normal(one, (3,)), jax.random.permutation(two, 5)

    normals, orders = jax.vmap(draw)(seeds)
    for i, seed in enumerate(seeds):
        expected = jax.jit(draw)(seed)
        np.testing.assert_array_equal(normals[i], expected[0])
        np.testing.assert_array_equal(orders[i], expected[1])
        assert sorted(orders[i].tolist()) == list(range(5))
