"""What searches with a surrogate over path features have in common.

After some uniform draws a round rates candidates from the whole space and from
the neighbourhoods of the best, by a model of what was measured over the
features of ``path_features``.  A method adds the model and its choice.

White, Neiswanger and Savani, "BANANAS: Bayesian Optimization with Neural
Architectures for Neural Architecture Search", AAAI 2021, for the features and
the mutated candidates.  Letters as in ``methods.base``, ``m`` candidates and
``E`` features.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import flax.struct
import jax
import jax.numpy as jnp

from pnag_jax.methods import archive as archives
from pnag_jax.methods import archive_only, base, extras, path_features, proposals
from pnag_jax.ranks import normal_scores
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
class State(archive_only.State):
    """Beside what was told its ``features``: float32 ``[budget, E]``, zeros in empty slots."""

    features: jax.Array

    def measured(self) -> jax.Array:
        """Which rows of ``features`` are of measured architectures: bool ``[budget]``."""
        return self.archive.measured()[: self.settings.budget]

    def targets(self) -> jax.Array:
        """Normal scores of the values' ranks, 0 in empty slots: ``[budget]``."""
        values = self.archive.values[: self.settings.budget]
        return normal_scores(values, self.measured())


def no_features(space: Space, budget: int) -> jax.Array:
    """Room for the features of what will be measured: ``[budget, E]``."""
    return jnp.zeros((budget, path_features.width(space)))


# ``(key, state, features [m, E], allowed bool [m], n) -> int32 [n]``: which
# candidates are asked for, best first; ``n`` is static.
Choose = Callable[[jax.Array, State, jax.Array, jax.Array, int], jax.Array]


def candidates(key: jax.Array, state: State, uniform: int) -> jax.Array:
    """What is rated this round: ``uniform`` draws, then mutations: ``[m, L]``."""
    archive, settings = state.archive, state.settings
    key_pool, key_parent = jax.random.split(key)
    drawn = archive.space.sample(key_pool, uniform)
    best = jnp.argsort(-archive.values)[: settings.parents]
    # Before so many are measured, what stands in empty slots is replaced.
    known = archive.measured()[best][:, None]
    parents = jnp.where(known, archive.genotypes[best], drawn[: len(best)])
    parents = jnp.repeat(parents, settings.mutations, axis=0)
    return jnp.concatenate([drawn, archive.space.mutate(key_parent, parents)])


def method(
    name: str,
    settings: type[Settings],
    choose: Choose,
    package: extras.Package | None = None,
) -> base.Method:
    """The method of that name that asks for what ``choose`` picks."""

    def init(key: jax.Array, space: Space, config: base.Config | None = None) -> State:
        """A search that has seen nothing; see ``base.Method``."""
        extras.require(name, package)
        chosen = base.resolve(settings, name, config)
        return State(
            archive=archives.empty(space, chosen.budget),
            features=no_features(space, chosen.budget),
            key=key,
            settings=chosen,
        )

    ask = functools.partial(_ask, choose=choose)
    return base.Method(name, base.defaults(settings), init, ask, tell, package)


def _ask(state: State, n: int, *, choose: Choose) -> tuple[jax.Array, State]:
    """Uniform draws up to ``initial`` measurements, then the most promising."""
    key, key_candidates, key_uniform, key_choice = jax.random.split(state.key, 4)
    rated = candidates(key_candidates, state, state.settings.pool)

    def picked(features: jax.Array, allowed: jax.Array) -> jax.Array:
        return choose(key_choice, state, features, allowed, n)

    return propose(key_uniform, state, rated, picked), dataclasses.replace(state, key=key)


def propose(
    key: jax.Array,
    state: State,
    rated: jax.Array,
    choose: Callable[[jax.Array, jax.Array], jax.Array],
    first: jax.Array | None = None,
) -> jax.Array:
    """What is chosen, after the first ``initial`` measurements: ``[n, L]``.

    Args:
      key: consumed.
      state: of the search.
      rated: candidates ``[m, L]``.
      choose: features ``[m, E]`` and whether each may be asked, bool ``[m]``,
        to int32 ``[n]``.
      first: of the first measurements, see ``proposals.after_first``.
    """
    archive = state.archive
    canonical = archive.space.canonical(rated)
    features = path_features.embed(archive.space, canonical)
    chosen = choose(features, ~archive.contains(canonical))
    return proposals.after_first(key, archive, rated[chosen], state.settings.initial, first)


def tell(state: State, genotypes: jax.Array, values: jax.Array) -> State:
    """Remembers what was asked, and its features."""
    state = archive_only.tell(state, genotypes, values)
    told = state.archive.space.canonical(genotypes)
    features = path_features.embed(state.archive.space, told)
    features = state.features.at[state.archive.slots(told)].set(features, mode="drop")
    return dataclasses.replace(state, features=features)
