"""A number of 64 bits for every architecture, and a set of such numbers in bounded memory.

JAX has no integers of 64 bits by default: devices make two words of 32, the
host joins them.  Letters: ``m`` architectures of ``L`` genes.
"""

from __future__ import annotations

import concurrent.futures
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pnag_jax.generation.counts import mix
from pnag_jax.spaces import Space

# Share of the slots that are used at most: beyond it looking up takes long.
_LOAD = 0.8
# 2^64 over the golden ratio: multiples of it are spread evenly (Knuth, volume 3, 6.4).
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def split_radix(choices: tuple[int, ...]) -> int | None:
    """How many genes the first word takes so that both words are exact; None if none fits.

    >>> split_radix((5,) * 6), split_radix((9,) * 20), split_radix((9,) * 21)
    (6, 10, None)
    """
    first = 0
    while first < len(choices) and math.prod(choices[: first + 1]) <= 2**32:
        first += 1
    return first if math.prod(choices[first:]) <= 2**32 else None


def is_exact(space: Space) -> bool:
    """Whether different architectures always have different keys."""
    return split_radix(space.choices) is not None


def words(space: Space, genotypes: jax.Array) -> jax.Array:
    """The key of each architecture, the same for isomorphic ones: ``[m, L] -> uint32 [m, 2]``.

    The rank of the canonical genotype where two words hold it; elsewhere a
    hash, of which two of ``n`` architectures agree with a probability of about
    ``n^2 / 2^65``.
    """
    genes = space.canonical(genotypes).astype(jnp.uint32)
    first = split_radix(space.choices)
    if first is None:
        high = low = jnp.zeros(len(genes), jnp.uint32)
        for i in range(genes.shape[1]):
            # Two chains that start and step differently.
            high = mix(high ^ (genes[:, i] + jnp.uint32(0x9E3779B9)))
            low = mix(low * jnp.uint32(0x85EBCA6B) + genes[:, i] + jnp.uint32(i + 1))
        return jnp.stack([high, low], axis=1)
    parts = (genes[:, first:], space.choices[first:]), (genes[:, :first], space.choices[:first])
    return jnp.stack([_rank(*part) for part in parts], axis=1)


def _rank(genes: jax.Array, choices: tuple[int, ...]) -> jax.Array:
    rank = jnp.zeros(len(genes), jnp.uint32)
    for i, count in enumerate(choices):
        rank = rank * jnp.uint32(count) + genes[:, i]
    return rank


def join(words: np.ndarray) -> np.ndarray:
    """Keys of words, never 0: ``uint32 [m, 2] -> uint64 [m]``."""
    high, low = words[:, 0].astype(np.uint64), words[:, 1].astype(np.uint64)
    keys = (high << np.uint64(32) | low) + np.uint64(1)
    # Only a hash, or the last of 2^64 architectures, comes round to 0.
    return np.where(keys == 0, np.uint64(1), keys)


class Added(NamedTuple):
    """Attributes: ``new``, bool ``[m]``, and ``refused``, how many found no room."""

    new: np.ndarray
    refused: int


class KeySet:
    """An open hash table of keys other than 0, of a size that never changes.

    Every key belongs to one of several shards, which are worked on side by
    side (numpy lets other threads run meanwhile).

    Attributes:
      capacity: keys that find room for certain.
    """

    def __init__(self, capacity: int, shards: int = 1):
        """Allocates the table.

        Args:
          capacity: keys that should find room.
          shards: a power of two.
        """
        # A shard may get a few more than its share of the keys.
        each = capacity / shards
        slots = (each + (6 * math.sqrt(each) if shards > 1 else 0)) / _LOAD
        self._bits = max(4, math.ceil(math.log2(slots)))
        self._tables = [np.zeros(1 << self._bits, np.uint64) for _ in range(shards)]
        self._room = [int(_LOAD * (1 << self._bits))] * shards
        self._shard_bits = (shards - 1).bit_length()
        self._pool = concurrent.futures.ThreadPoolExecutor(shards) if shards > 1 else None
        self.capacity = capacity

    @property
    def bytes(self) -> int:
        """Of all tables."""
        return sum(table.nbytes for table in self._tables)

    def __len__(self) -> int:
        return sum(int(_LOAD * (1 << self._bits)) - room for room in self._room)

    def keys(self) -> np.ndarray:
        """All keys, in no order: uint64 ``[len]``."""
        return np.concatenate([table[table != 0] for table in self._tables])

    def add(self, keys: np.ndarray) -> Added:
        """Adds keys, and tells which were not there before.

        Args:
          keys: uint64 ``[m]``, none of them 0.

        Returns:
          ``new``: of keys that are new the first of equal ones; those without
          room too, as nothing is known of them.
        """
        spread = keys * _GOLDEN
        if self._pool is None:
            return self._add(0, keys, spread)
        owner = spread >> np.uint64(64 - self._shard_bits)
        rows = [np.flatnonzero(owner == shard) for shard in range(len(self._tables))]
        # The bits that name the shard are the same for all of its keys.
        spread = spread << np.uint64(self._shard_bits)
        parts = self._pool.map(
            lambda shard: self._add(shard, keys[rows[shard]], spread[rows[shard]]),
            range(len(rows)),
        )
        new, refused = np.zeros(len(keys), bool), 0
        for row, part in zip(rows, parts, strict=True):
            new[row] = part.new
            refused += part.refused
        return Added(new, refused)

    def _add(self, shard: int, keys: np.ndarray, spread: np.ndarray) -> Added:
        table = self._tables[shard]
        slots = (spread >> np.uint64(64 - self._bits)).astype(np.int64)
        absent = _absent(table, keys, slots)
        unique, first = np.unique(keys[absent], return_index=True)
        new = np.zeros(len(keys), bool)
        new[absent[first]] = True
        fitting = min(len(unique), self._room[shard])
        self._room[shard] -= fitting
        _insert(table, unique[:fitting], slots[absent[first[:fitting]]])
        return Added(new, len(unique) - fitting)


def _absent(table: np.ndarray, keys: np.ndarray, slots: np.ndarray) -> np.ndarray:
    """Rows of the keys that a table does not hold."""
    rows, slots = np.arange(len(keys)), slots.copy()
    found: list[np.ndarray] = []
    while len(rows):
        there = table[slots]
        free = there == 0
        found.append(rows[free])
        further = ~free & (there != keys)
        rows, keys = rows[further], keys[further]
        slots = (slots[further] + 1) & (len(table) - 1)
    return np.sort(np.concatenate(found)) if found else rows


def _insert(table: np.ndarray, keys: np.ndarray, slots: np.ndarray) -> None:
    """Puts distinct keys, which are not there, into the first free slots from theirs on."""
    while len(keys):
        free = table[slots] == 0
        table[slots[free]] = keys[free]
        # Of several keys for one slot the last one stays.
        left = table[slots] != keys
        keys, slots = keys[left], (slots[left] + 1) & (len(table) - 1)
