"""Random streams that compile at once: for weights, the order of data, augmentation.

JAX's default generator is a block cipher, and a network asks it for a key and
numbers of every parameter: to compile that took forty times as long as to
compile the draws below.  Here a number is a keyed hash of its place in the
stream, two rounds of a 32-bit mixing function (Wellons, "Prospecting for hash
functions", 2018: ``lowbias32``).  Good enough to train with, not for
cryptography, nor for long simulations: a stream does not repeat a number within
its 2^32 and then ends.
"""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend import random as extension

_SECOND = 0x9E3779B9


def key(seed: jax.Array) -> jax.Array:
    """The key of a stream, from uint32 ``[]``; what ``jax.random`` takes."""
    return jax.random.key(seed, impl=_HASH)


def _mix(x: jax.Array) -> jax.Array:
    """A bijection of uint32 in which every input bit reaches every output bit."""
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        x = (x ^ (x >> shift)) * jnp.uint32(factor)
    return x ^ (x >> 16)


def _hash(words: jax.Array, places: jax.Array) -> jax.Array:
    """Keyed by uint32 ``[2]``: uint32 ``[...] -> [...]``."""
    return _mix(_mix(places + words[0]) ^ words[1])


def _fold_in(words: jax.Array, data: Any) -> jax.Array:
    # Apart from the numbers of the stream itself, which take the plain words.
    places = jnp.asarray(data, jnp.uint32) + jnp.array([0, _SECOND], jnp.uint32)
    return _hash(_mix(words[::-1] ^ jnp.uint32(_SECOND)), places)


def _split(words: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    places = jnp.arange(math.prod(shape), dtype=jnp.uint32)
    return jax.vmap(_fold_in, (None, 0))(words, places).reshape(*shape, 2)


def _bits(words: jax.Array, bit_width: int, shape: tuple[int, ...]) -> jax.Array:
    if bit_width == 64:
        halves = _bits(words, 32, (2, *shape)).astype(jnp.uint64)
        return (halves[0] << 32) | halves[1]
    places = jnp.arange(math.prod(shape), dtype=jnp.uint32).reshape(shape)
    return _hash(words, places).astype({8: jnp.uint8, 16: jnp.uint16, 32: jnp.uint32}[bit_width])


def _seed(seed: jax.Array) -> jax.Array:
    return _fold_in(jnp.zeros(2, jnp.uint32), seed)


_HASH = extension.define_prng_impl(
    key_shape=(2,),
    seed=_seed,
    split=_split,
    random_bits=_bits,
    fold_in=_fold_in,
    name="hash",
    tag="hash",
)
