"""Filling a batch of proposals with architectures that are new to a search."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import flax.struct
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from pnag_jax.methods.archive import Archive
from pnag_jax.spaces import Space

# ``(key, m) -> int32 [m, L]``: m candidates, good or not.
Propose = Callable[[jax.Array, int], jax.Array]

# A draw gives up after this many rounds.
MAX_ROUNDS = 64


@flax.struct.dataclass
class Batch:
    """Up to ``n`` distinct proposals.

    Attributes:
      genotypes: int32 ``[n, L]``; those from ``count`` on mean nothing.
      keys: int32 ``[n, L]``, their canonical forms; -1 from ``count`` on.
      count: int32 scalar, slots filled.
    """

    genotypes: jax.Array
    keys: jax.Array
    count: jax.Array

    def add(self, archive: Archive, candidates: ArrayLike, limit: ArrayLike) -> Batch:
        """Takes new candidates ``[m, L]`` in order until ``limit`` slots are filled.

        New is what is valid, not in the archive and not isomorphic to what the
        batch holds already.  In a part of a space the nearest architecture
        there stands for a candidate.
        """
        candidates = archive.space.nearest(jnp.asarray(candidates, jnp.int32))
        n, m = self.keys.shape[0], candidates.shape[0]
        keys = archive.space.canonical(candidates)
        held = _equal(keys, self.keys).any(-1)
        new = archive.space.is_valid(candidates) & ~archive.contains(keys) & ~held
        earlier = jnp.tril(jnp.ones((m, m), bool), k=-1)
        new &= ~(_equal(keys, keys) & earlier & new[None, :]).any(-1)
        slot = self.count + jnp.cumsum(new, dtype=jnp.int32) - 1
        slot = jnp.where(new & (slot < limit), slot, n)  # out of bounds: dropped
        return Batch(
            genotypes=self.genotypes.at[slot].set(candidates, mode="drop"),
            keys=self.keys.at[slot].set(keys, mode="drop"),
            count=self.count + (slot < n).sum(dtype=jnp.int32),
        )

    def draw(
        self,
        key: jax.Array,
        archive: Archive,
        propose: Propose,
        limit: ArrayLike,
        m: int | None = None,
    ) -> Batch:
        """Adds from ``propose`` until ``limit`` slots are filled.

        ``m`` candidates a round, at least as many as slots; by default about
        twice as many.  Rejection leaves the distribution of ``propose`` over the new
        architectures as it is.  Gives up after ``MAX_ROUNDS`` rounds: where
        nearly everything is known, the batch may stay short.  Its empty slots
        then hold the latest candidates, whether good or not.
        """
        n = self.keys.shape[0]
        width = max(2 * n, 16) if m is None else m

        def unfinished(carry: tuple[Batch, jax.Array]) -> jax.Array:
            batch, round_ = carry
            return (batch.count < limit) & (round_ < MAX_ROUNDS)

        def one_round(carry: tuple[Batch, jax.Array]) -> tuple[Batch, jax.Array]:
            batch, round_ = carry
            candidates = propose(jax.random.fold_in(key, round_), width)
            batch = batch.add(archive, candidates, limit)
            filled = jnp.arange(n) < batch.count
            genotypes = jnp.where(filled[:, None], batch.genotypes, candidates[:n])
            return dataclasses.replace(batch, genotypes=genotypes), round_ + 1

        start = (self, jnp.zeros((), jnp.int32))
        return jax.lax.while_loop(unfinished, one_round, start)[0]


def empty_batch(space: Space, n: int) -> Batch:
    """A batch of ``n`` empty slots."""
    unset = jnp.full((n, space.genotype_length), -1, jnp.int32)
    return Batch(genotypes=unset, keys=unset, count=jnp.zeros((), jnp.int32))


def guided_slots(archive: Archive, n: int, initial: int) -> jax.Array:
    """How many of ``n`` proposals are left once ``initial`` uniform ones are measured."""
    uniform = jnp.where(archive.count > 0, initial - archive.count, n)
    return jnp.clip(n - uniform, 0, n)


def after_first(
    key: jax.Array,
    archive: Archive,
    chosen: jax.Array,
    initial: int,
    first: jax.Array | None = None,
) -> jax.Array:
    """As many proposals as ``chosen [n, L]``.

    Args:
      key: consumed.
      archive: what was told.
      chosen: what is asked once ``initial`` architectures are measured.
      initial: how many are measured before.
      first: what these are, best first, ``[s, L]``; uniform draws where they
        do not suffice.
    """
    n = len(chosen)
    batch = empty_batch(archive.space, n).add(archive, chosen, guided_slots(archive, n, initial))
    if first is not None:
        batch = batch.add(archive, first, n)
    return complete_uniformly(key, batch, archive)


def complete_uniformly(key: jax.Array, batch: Batch, archive: Archive) -> jax.Array:
    """All ``n`` proposals, uniform draws in the slots left empty: ``[n, L]``.

    The draws are new ones as long as any are found.
    """
    n = batch.keys.shape[0]
    return batch.draw(key, archive, archive.space.sample, n).genotypes


def _equal(left: jax.Array, right: jax.Array) -> jax.Array:
    """``[m, L], [n, L] -> bool [m, n]``, rows that are the same."""
    return (left[:, None, :] == right[None, :, :]).all(-1)
