"""Bayesian optimization with a Gaussian process over path features.

``gaussian_process`` over the features of ``path_features``, expected
improvement, candidates drawn from the whole space and from the neighbourhoods
of the best.

White, Neiswanger and Savani, "BANANAS: Bayesian Optimization with Neural
Architectures for Neural Architecture Search", AAAI 2021, for the features and
the mutated candidates.  Letters as in ``methods.base``.
"""

from __future__ import annotations

import dataclasses

import flax.struct
import jax
import jax.numpy as jnp

from pnag_jax.methods import archive as archives
from pnag_jax.methods import base, path_features, proposals
from pnag_jax.methods import gaussian_process as process
from pnag_jax.spaces import Space


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(base.Settings):
    """Fields of the config.

    Attributes:
      initial: uniform draws before the first guided ones.
      pool: uniform draws that are rated a round.
      parents: the best so far, whose mutations are rated too.
      mutations: of each parent.
    """

    initial: int = base.setting(8, 1)
    pool: int = base.setting(2048, 1)
    parents: int = base.setting(16, 1)
    mutations: int = base.setting(32, 1)


@flax.struct.dataclass
class State:
    """``archive`` of what was told, its ``features``, and the ``key`` of the next draw."""

    archive: archives.Archive
    features: jax.Array
    key: jax.Array
    settings: Settings = flax.struct.field(pytree_node=False)


def init(key: jax.Array, space: Space, config: base.Config | None = None) -> State:
    """A search that has seen nothing; see ``base.Method``."""
    settings = base.resolve(Settings, "gp", config)
    return State(
        archive=archives.empty(space, settings.budget),
        features=jnp.zeros((settings.budget, path_features.width(space))),
        key=key,
        settings=settings,
    )


def candidates(key: jax.Array, state: State) -> jax.Array:
    """What is rated this round: uniform draws, then mutations: ``[m, L]``."""
    archive, settings = state.archive, state.settings
    key_pool, key_parent = jax.random.split(key)
    drawn = archive.space.sample(key_pool, settings.pool)
    best = jnp.argsort(-archive.values)[: settings.parents]
    # Before so many are measured, what stands in empty slots is replaced.
    known = archive.measured()[best][:, None]
    parents = jnp.where(known, archive.genotypes[best], drawn[: len(best)])
    parents = jnp.repeat(parents, settings.mutations, axis=0)
    return jnp.concatenate([drawn, archive.space.mutate(key_parent, parents)])


def ask(state: State, n: int) -> tuple[jax.Array, State]:
    """Uniform draws up to ``initial`` measurements, then the most promising."""
    archive, settings = state.archive, state.settings
    key, key_candidates, key_uniform = jax.random.split(state.key, 3)
    measured = archive.measured()[: settings.budget]
    targets = process.normal_scores(archive.values[: settings.budget], measured)
    own = path_features.squared(state.features, state.features)
    posterior = process.fit(own, targets, measured)
    rated = candidates(key_candidates, state)
    canonical = archive.space.canonical(rated)
    features = path_features.embed(archive.space, canonical)
    chosen = process.choose(
        posterior,
        process.predict(posterior, path_features.squared(features, state.features)),
        lambda index: path_features.squared(features, features[index][None])[:, 0],
        ~archive.contains(canonical),
        n,
    )
    genotypes = proposals.after_uniform(key_uniform, archive, rated[chosen], settings.initial)
    return genotypes, dataclasses.replace(state, key=key)


def tell(state: State, genotypes: jax.Array, values: jax.Array) -> State:
    """Remembers what was asked."""
    archive = state.archive.insert(genotypes, values)
    told = archive.space.canonical(genotypes)
    features = path_features.embed(archive.space, told)
    features = state.features.at[archive.slots(told)].set(features, mode="drop")
    return dataclasses.replace(state, archive=archive, features=features)


METHOD = base.Method("gp", base.defaults(Settings), init, ask, tell)
