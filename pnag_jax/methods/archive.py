"""What a search has been told, in arrays of fixed shapes."""

from __future__ import annotations

import dataclasses

import flax.struct
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from pnag_jax.spaces import Space

# Slots for proposals that came back without a value: few, as a search of a table
# that is a small part of its space is a search of that part.
FAILURE_SLOTS = 128


@flax.struct.dataclass
class Archive:
    """Distinct architectures and their values, ``C = budget + FAILURE_SLOTS``.

    The first ``budget`` slots hold measured architectures in the order in
    which they were told; the rest is a ring of the latest failures, there so
    that they are not asked again.  Isomorphic genotypes are one architecture
    and keep the value told first.

    Attributes:
      genotypes: int32 ``[C, L]`` as told; -1 in empty slots.
      keys: int32 ``[C, L]``, their canonical forms; -1 in empty slots.
      values: float32 ``[C]``; -inf in empty slots and for failures.
      count: int32 scalar, measured architectures.
      failures: int32 scalar, failures told so far (also those forgotten).
    """

    genotypes: jax.Array
    keys: jax.Array
    values: jax.Array
    count: jax.Array
    failures: jax.Array
    space: Space = flax.struct.field(pytree_node=False)
    budget: int = flax.struct.field(pytree_node=False)

    def measured(self) -> jax.Array:
        """Which slots hold a measured architecture: bool ``[C]``."""
        return jnp.arange(self.values.shape[0]) < self.count

    def contains(self, keys: ArrayLike) -> jax.Array:
        """Whether canonical genotypes were told: ``[..., L] -> bool [...]``."""
        return self._matches(keys).any(-1)

    def lookup(self, keys: ArrayLike) -> jax.Array:
        """Values of canonical genotypes, -inf if none: ``[..., L] -> [...]``."""
        return jnp.max(jnp.where(self._matches(keys), self.values, -jnp.inf), axis=-1)

    def slots(self, keys: ArrayLike) -> jax.Array:
        """Where canonical genotypes stand among the measured: ``[n, L] -> int32 [n]``.

        ``budget``, which is out of bounds, for those that are not measured.
        """
        held = (jnp.asarray(keys)[:, None, :] == self.keys[: self.budget]).all(-1)
        return jnp.where(held.any(axis=1), held.argmax(axis=1), self.budget)

    def best(self) -> tuple[jax.Array, jax.Array]:
        """The best genotype and its value: ``[L]``, scalar (-inf when empty)."""
        index = jnp.argmax(self.values)
        return self.genotypes[index], self.values[index]

    def insert(self, genotypes: ArrayLike, values: ArrayLike) -> Archive:
        """Remembers ``[n, L]`` genotypes and their values ``[n]``, in order.

        Genotypes that the space does not accept count as failures whatever
        their values.  Beyond ``budget`` measured architectures a better one
        takes the place of the worst.
        """
        genotypes = jnp.asarray(genotypes, jnp.int32)
        values = jnp.asarray(values, jnp.float32)
        good = jnp.isfinite(values) & self.space.is_valid(genotypes)

        def insert_one(archive: Archive, item: tuple) -> tuple[Archive, None]:
            return archive._insert_one(*item), None

        items = (genotypes, self.space.canonical(genotypes), values, good)
        return jax.lax.scan(insert_one, self, items)[0]

    def _insert_one(
        self, genotype: jax.Array, key: jax.Array, value: jax.Array, good: jax.Array
    ) -> Archive:
        matches = self._matches(key)
        known = jnp.where(good, (matches & self.measured()).any(), matches.any())
        full = self.count >= self.budget
        worst = jnp.argmin(self.values[: self.budget])
        success_slot = jnp.where(full, worst, self.count)
        slot = jnp.where(good, success_slot, self.budget + self.failures % FAILURE_SLOTS)
        kept = ~known & ~(good & full & (value <= self.values[worst]))
        slot = jnp.where(kept, slot, self.values.shape[0])  # out of bounds: dropped
        return dataclasses.replace(
            self,
            genotypes=self.genotypes.at[slot].set(genotype, mode="drop"),
            keys=self.keys.at[slot].set(key, mode="drop"),
            values=self.values.at[slot].set(jnp.where(good, value, -jnp.inf), mode="drop"),
            count=jnp.minimum(self.count + (kept & good), self.budget),
            failures=self.failures + (kept & ~good),
        )

    def _matches(self, keys: ArrayLike) -> jax.Array:
        """Slots that hold a canonical genotype: ``[..., L] -> bool [..., C]``."""
        return (jnp.asarray(keys)[..., None, :] == self.keys).all(-1)


def empty(space: Space, budget: int) -> Archive:
    """An archive with room for ``budget`` measured architectures."""
    capacity = budget + FAILURE_SLOTS
    unset = jnp.full((capacity, space.genotype_length), -1, jnp.int32)
    return Archive(
        genotypes=unset,
        keys=unset,
        values=jnp.full(capacity, -jnp.inf, jnp.float32),
        count=jnp.zeros((), jnp.int32),
        failures=jnp.zeros((), jnp.int32),
        space=space,
        budget=budget,
    )
