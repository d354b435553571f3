"""Keys of architectures, and the set that counts them."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pnag_jax import spaces
from pnag_jax.generation import keys
from pnag_jax.generation.keys import KeySet


@pytest.mark.parametrize("name", ["mnasnet", "nb201"])
def test_isomorphic_architectures_and_no_others_share_a_key(name):
    space = spaces.get(name)
    drawn = space.sample(jax.random.key(0), 1000)
    found = keys.join(np.asarray(jax.jit(lambda x: keys.words(space, x))(drawn)))
    canonical = np.asarray(space.canonical(drawn))
    assert len(np.unique(found)) == len(np.unique(canonical, axis=0))
    assert (keys.join(np.asarray(keys.words(space, jnp.asarray(canonical)))) == found).all()


def test_a_key_is_the_rank_in_two_words():
    space = spaces.get("nb201")
    genotype = jnp.array([[2, 2, 2, 2, 2, 2]])
    assert (space.canonical(genotype) == genotype).all()
    # 2 (5^0 + ... + 5^5) = 7812; 0 is no key.
    assert keys.join(np.asarray(keys.words(space, genotype))) == [7813]
    assert keys.split_radix((2**16, 2**17, 2**15)) == 1
    assert keys.join(np.array([[1, 2]], np.uint32)) == [(1 << 32) + 3]
    assert keys.join(np.full((1, 2), 2**32 - 1, np.uint32)) == [1]


def test_long_genotypes_are_hashed_without_collisions_among_a_few():
    class Long(spaces.get("nb201").__class__):
        def canonical(self, genotype):
            return genotype

    space = Long(choices=(9,) * 30)
    assert not keys.is_exact(space)
    genotypes = jax.random.randint(jax.random.key(0), (4000, 30), 0, 9)
    # Neighbours, which a poor hash would put together.
    genotypes = genotypes.at[2000:].set(genotypes[:2000].at[:, 7].add(1) % 9)
    found = keys.join(np.asarray(keys.words(space, genotypes)))
    assert len(np.unique(found)) == len(np.unique(np.asarray(genotypes), axis=0))
    # Every bit is as often set as not.
    bits = (found[:, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)
    assert np.abs(bits.mean(0) - 0.5).max() < 0.04


@settings(deadline=None, max_examples=30)
@given(st.lists(st.lists(st.integers(1, 60), max_size=40), max_size=5), st.sampled_from([1, 4]))
def test_a_set_tells_what_is_new_as_a_plain_set_does(batches, shards):
    seen, plain = KeySet(64, shards), set()
    for batch in batches:
        added = seen.add(np.array(batch, np.uint64))
        expected = [key not in plain and key not in batch[:i] for i, key in enumerate(batch)]
        plain |= set(batch)
        assert added.new.tolist() == expected
        assert added.refused == 0
        assert len(seen) == len(plain)
    assert sorted(seen.keys().tolist()) == sorted(plain)


@pytest.mark.parametrize("shards", [1, 2, 8])
def test_a_set_holds_its_capacity_whatever_the_keys(shards):
    seen = KeySet(20_000, shards)
    ranks = np.arange(1, 20_001, dtype=np.uint64)
    for part in np.split(ranks, 10):
        added = seen.add(part)
        assert added.new.all() and not added.refused
    assert not seen.add(ranks[::-1].copy()).new.any()
    assert len(seen) == 20_000
    assert seen.bytes <= 4 * 8 * 20_000


def test_what_finds_no_room_is_told_and_the_rest_stays_exact():
    seen = KeySet(10)  # 16 slots, of which 12 are used
    added = seen.add(np.arange(1, 31, dtype=np.uint64))
    assert added.new.all() and added.refused == 18
    again = seen.add(np.arange(1, 31, dtype=np.uint64))
    assert again.refused == 18
    assert (~again.new).sum() == 12 == len(seen)
