"""NSGA-II, the usual evolutionary algorithm for several objectives.

Deb, Pratap, Agarwal and Meyarivan, "A Fast and Elitist Multiobjective Genetic
Algorithm: NSGA-II", IEEE Transactions on Evolutionary Computation, 2002.
Parents are the best by front and, within one, by crowding: not of the last
parents and their children alone but of all that was measured, which has them
and costs nothing.  Binary tournaments choose among them, uniform crossover and
the space's mutation make children, constraints count by constrained domination.
A child that was measured before is drawn again.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp

from pnag_jax.methods import base as single
from pnag_jax.methods import proposals
from pnag_jax.methods.several import base
from pnag_jax.objectives import dominance
from pnag_jax.spaces import Space


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(base.Settings):
    """Fields of the config.

    Attributes:
      population: parents; as many uniform draws start the search.
      crossover: probability that a child has two parents.
      mutation: probability that a child of two parents is mutated too.
    """

    population: int = single.setting(24, 2)
    crossover: float = single.setting(0.9, 0.0, 1.0)
    mutation: float = single.setting(0.7, 0.0, 1.0)


def order(state: base.State) -> jax.Array:
    """Slots from the best to the worst, empty ones last: int32 ``[B]``."""
    rank = dominance.ranks(state.objectives, state.measured(), state.violation())
    apart = dominance.crowding(state.objectives, rank)
    return jnp.lexsort((-apart, rank)).astype(jnp.int32)


def child(
    key: jax.Array, space: Space, mother: jax.Array, father: jax.Array, settings: Settings
) -> jax.Array:
    """One child ``[L]``; where crossover makes something invalid, of its mother alone."""
    key_both, key_gene, key_mutate, key_change = jax.random.split(key, 4)
    both = jax.random.uniform(key_both) < settings.crossover
    mixed = jnp.where(jax.random.bernoulli(key_gene, 0.5, mother.shape), mother, father)
    mixed = space.nearest(mixed)
    mixed = jnp.where(both & space.is_valid(mixed), mixed, mother)
    alike = (mixed == mother).all() | (mixed == father).all()
    changed = alike | (jax.random.uniform(key_mutate) < settings.mutation)
    return jnp.where(changed, space.mutate(key_change, mixed), mixed)


def ask(state: base.State, n: int) -> tuple[jax.Array, base.State]:
    """Uniform draws until there are parents enough, then ``n`` children."""
    archive, settings = state.archive, state.settings
    key, key_children, key_uniform = jax.random.split(state.key, 3)
    parents = archive.genotypes[order(state)]
    # Two of a tournament: the one that stands earlier wins.
    alive = jnp.clip(archive.count, 1, settings.population)

    def children(key: jax.Array, m: int) -> jax.Array:
        key_pairs, key_child = jax.random.split(key)
        drawn = (jax.random.uniform(key_pairs, (m, 2, 2)) * alive).astype(jnp.int32).min(axis=-1)
        keys = jax.random.split(key_child, m)
        made = jax.vmap(child, in_axes=(0, None, 0, 0, None))
        return made(keys, archive.space, parents[drawn[:, 0]], parents[drawn[:, 1]], settings)

    batch = proposals.empty_batch(archive.space, n)
    limit = proposals.guided_slots(archive, n, settings.population)
    batch = batch.draw(key_children, archive, children, limit)
    genotypes = proposals.complete_uniformly(key_uniform, batch, archive)
    return genotypes, dataclasses.replace(state, key=key)


METHOD = base.method("nsga2", Settings, ask)
