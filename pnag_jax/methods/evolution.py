"""Regularized evolution.

Real, Aggarwal, Huang and Le, "Regularized Evolution for Image Classifier
Architecture Search", AAAI 2019: the best of a few members drawn from the
population becomes a parent, its child differs in one gene, and the oldest
member dies, however good.

A child that was measured before costs no query.  It is born at once with the
value that is known, and the next tournament is held, until a child is found
that has to be asked for: the population takes the same course as if the child
had been asked for and answered from memory.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import flax.struct
import jax
import jax.numpy as jnp

from pnag_jax.methods import archive as archives
from pnag_jax.methods import base, proposals
from pnag_jax.spaces import Space

# Births of known children in a row after which a uniform draw is asked for.
MAX_REBIRTHS = 256


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(base.Settings):
    """Fields of the config.

    Attributes:
      population: members alive; as many uniform draws start the search.
      sample: members drawn, with replacement, for each tournament.
    """

    population: int = base.setting(20, 1)
    sample: int = base.setting(5, 1)


@flax.struct.dataclass
class Population:
    """A ring of ``P`` members: the next child takes the oldest one's slot.

    Attributes:
      members: int32 ``[P, L]``; -1 where nobody was born yet.
      fitness: float32 ``[P]``; -inf where nobody was born yet.
      births: int32 scalar, members born so far.
    """

    members: jax.Array
    fitness: jax.Array
    births: jax.Array

    def bear(self, child: jax.Array, value: jax.Array) -> Population:
        """One child ``[L]`` replaces the oldest member; stillborn without a finite value."""
        size = self.fitness.shape[0]
        alive = jnp.isfinite(value)
        slot = jnp.where(alive, self.births % size, size)  # out of bounds: dropped
        return Population(
            members=self.members.at[slot].set(child, mode="drop"),
            fitness=self.fitness.at[slot].set(value, mode="drop"),
            births=self.births + alive,
        )

    def tournament(self, key: jax.Array, sample: int) -> jax.Array:
        """The fittest of ``sample`` random members: ``[L]``."""
        alive = jnp.clip(self.births, 1, self.fitness.shape[0])
        drawn = (jax.random.uniform(key, (sample,)) * alive).astype(jnp.int32)
        return self.members[drawn[jnp.argmax(self.fitness[drawn])]]


@flax.struct.dataclass
class State:
    """``archive`` of what was told, ``population``, and ``key`` of the next draw."""

    archive: archives.Archive
    population: Population
    key: jax.Array
    settings: Settings = flax.struct.field(pytree_node=False)


def init(key: jax.Array, space: Space, config: base.Config | None = None) -> State:
    """A search that has seen nothing; see ``base.Method``."""
    settings = base.resolve(Settings, "evolution", config)
    size = settings.population
    return State(
        archive=archives.empty(space, settings.budget),
        population=Population(
            members=jnp.full((size, space.genotype_length), -1, jnp.int32),
            fitness=jnp.full(size, -jnp.inf, jnp.float32),
            births=jnp.zeros((), jnp.int32),
        ),
        key=key,
        settings=settings,
    )


def ask(state: State, n: int) -> tuple[jax.Array, State]:
    """Uniform draws until the population is complete, then ``n`` children."""
    archive, population, settings = state.archive, state.population, state.settings
    key, key_children, key_uniform = jax.random.split(state.key, 3)
    batch = proposals.empty_batch(archive.space, n)
    # Of a batch that completes the population the rest are children.
    uniform = jnp.where(population.births > 0, settings.population - population.births, n)
    target = jnp.clip(n - uniform, 0, n)

    def unfinished(trial: _Trial) -> jax.Array:
        return (trial.batch.count < target) & (trial.rebirths < MAX_REBIRTHS)

    def next_child(trial: _Trial) -> _Trial:
        key, key_parent, key_gene = jax.random.split(trial.key, 3)
        parent = trial.population.tournament(key_parent, settings.sample)
        child = archive.space.mutate(key_gene, parent).astype(jnp.int32)
        known_value = archive.lookup(archive.space.canonical(child))
        batch = trial.batch.add(archive, child[None], target)
        return _Trial(
            key=key,
            batch=batch,
            population=trial.population.bear(child, known_value),
            rebirths=jnp.where(batch.count > trial.batch.count, 0, trial.rebirths + 1),
        )

    trial = _Trial(key_children, batch, population, jnp.zeros((), jnp.int32))
    trial = jax.lax.while_loop(unfinished, next_child, trial)
    genotypes = proposals.complete_uniformly(key_uniform, trial.batch, archive)
    return genotypes, dataclasses.replace(state, key=key, population=trial.population)


class _Trial(NamedTuple):
    """Children found so far, and known ones born in a row."""

    key: jax.Array
    batch: proposals.Batch
    population: Population
    rebirths: jax.Array


def tell(state: State, genotypes: jax.Array, values: jax.Array) -> State:
    """Every child with a value replaces the oldest member, in the order told."""
    genotypes = jnp.asarray(genotypes, jnp.int32)
    values = jnp.asarray(values, jnp.float32)
    fitness = jnp.where(state.archive.space.is_valid(genotypes), values, jnp.nan)
    population = jax.lax.scan(
        lambda population, child: (population.bear(*child), None),
        state.population,
        (genotypes, fitness),
    )[0]
    archive = state.archive.insert(genotypes, values)
    return dataclasses.replace(state, archive=archive, population=population)


METHOD = base.Method("evolution", base.defaults(Settings), init, ask, tell)
