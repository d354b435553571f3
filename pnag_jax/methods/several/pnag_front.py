"""Several objectives by weighted counts of multi-scale codes.

One Gaussian process a column (``features``) predicts objectives and slacks of
constraints.  A candidate is rated by the hypervolume that it is expected to
add: the mean over preferences of how much farther the measured set would reach
along each of them (``objectives.scalarization.reach``), counted only where the
constraints hold.  The ratings of a sample of the generator's training
architectures weigh its counts, and the weighted counts generate: recombined
codes of architectures that promise to extend the front, or the part of it that
a preference asks for.  What was generated is rated by the same processes,
beside mutations of the front; a batch is chosen greedily from joint draws.

Daulton, Balandat and Bakshy, "Differentiable Expected Hypervolume Improvement
for Parallel Multi-Objective Bayesian Optimization", NeurIPS 2020, for greedy
batches over joint draws.  Letters as in ``several.base``, ``m`` candidates,
``S`` draws of their values, ``D`` preferences, ``M`` also training
architectures where no objectives are near.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp

from pnag_jax import generation, spaces
from pnag_jax.generation import Generator
from pnag_jax.methods import base as single
from pnag_jax.methods import pnag_counts, proposals
from pnag_jax.methods.several import base, features, models
from pnag_jax.methods.several.models import Models, Rated
from pnag_jax.objectives import dominance, scalarization
from pnag_jax.spaces import Space

# Candidates that are looked through for one that is asked.
_TWINS = 4


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(pnag_counts.Generating, base.Settings):
    """Fields of the config, beside ``generator``, ``preference`` and ``known``.

    Attributes:
      initial: uniform draws before the first guided ones.
      mutations: of the front, rated beside them.
      preferences: ``D``.
      draws: ``S``.
      shortlist: candidates from which a batch is chosen by joint draws.
      margin: how far below the worst of the front the reference point lies, as
        a share of the front's span.
      trust: how many measurements a hint is worth; 0 leaves it out.
      hinted: what takes the place of ``initial`` where there is a hint.
      caution: what the processes' standard deviations are multiplied by: where
        they chose what was measured, they are surer of themselves than they should be.
    """

    initial: int = single.setting(16, 2)
    pool: int = single.setting(1024, 1)
    mutations: int = single.setting(256, 1)
    preferences: int = single.setting(64, 1)
    draws: int = single.setting(32, 1)
    shortlist: int = single.setting(64, 1)
    margin: float = single.setting(0.1, 0.0)
    trust: float = single.setting(12.0, 0.0)
    hinted: int = single.setting(8, 2)
    caution: float = single.setting(1.5, 0.01)


@flax.struct.dataclass
class State(models.State):
    """Beside what was told, its ``features`` and the ``hint`` the ``generator``."""

    generator: Generator = flax.struct.field(pytree_node=False)


def init(key: jax.Array, space: Space, config: single.Config | None = None) -> State:
    """A search that has seen nothing; see ``methods.base.Method``.

    ``config["generator"]`` is the ``generation.Generator`` to search with; a
    default one is trained where it is missing.  ``config["hint"]`` is a
    ``hints.Hint`` of the folded space, if there is one.
    """
    given: dict[str, Any] = dict(config.items() if config is not None else ())
    generator, hint = given.pop("generator", None), given.pop("hint", None)
    fields = base.fields(Settings, "pnag_front", space, key, given)
    settings, qualities = fields["settings"], fields["problem"].qualities
    if hint is not None and qualities and settings.trust > 0:
        initial = min(settings.initial, settings.hinted)
        fields["settings"] = dataclasses.replace(settings, initial=initial)
    else:
        hint = None
    if generator is None:
        with jax.ensure_compile_time_eval():  # a search may begin while it is traced
            generator = pnag_counts.default_generator(spaces.folded(space))
    return State(
        **fields,
        features=features.empty(spaces.folded(space), settings.budget),
        hint=hint,
        generator=generator,
    )


def reach(state: State, scaled: jax.Array, preferences: jax.Array) -> jax.Array:
    """How far scaled scores reach: ``[..., W] -> [..., D]``, 0 if a constraint fails."""
    count = state.settings.objectives
    met = (scaled[..., count:] >= 0).all(-1)
    far = scalarization.reach(scaled[..., :count], preferences)
    return jnp.where(met[..., None], far, 0.0)


def reached(state: State, fitted: Models, preferences: jax.Array) -> jax.Array:
    """How far the measured set reaches: ``[D]``."""
    far = reach(state, fitted.scaled(fitted.scores), preferences)
    return jnp.where(state.measured()[:, None], far, 0.0).max(axis=0)


def promise(
    key: jax.Array,
    state: State,
    fitted: Models,
    rated: Rated,
    best: jax.Array,
    preferences: jax.Array,
) -> jax.Array:
    """Expected improvement of each candidate by itself: ``[m]``."""
    noise = jax.random.normal(key, (state.settings.draws, rated.mean.shape[1]))

    def one(noise: jax.Array) -> jax.Array:
        drawn = rated.mean + rated.deviation * noise
        far = reach(state, fitted.scaled(drawn), preferences)
        return jnp.maximum(far - best, 0.0).mean(axis=-1)

    # One draw after the other: all at once would not fit the caches.
    return jax.lax.map(one, noise).mean(axis=0)


def choose(
    state: State, scaled: jax.Array, best: jax.Array, preferences: jax.Array, n: int
) -> jax.Array:
    """Candidates that together improve most: ``[S, m, W]`` to int32 ``[n]``."""
    far = reach(state, scaled, preferences)
    best = jnp.broadcast_to(best, (len(far), best.shape[-1]))
    free = jnp.ones(far.shape[1], bool)
    chosen = []
    for _ in range(n):
        gain = jnp.maximum(far - best[:, None], 0.0).mean(axis=(0, 2))
        index = jnp.argmax(jnp.where(free, gain, -1.0))
        best = jnp.maximum(best, far[:, index])
        free = free.at[index].set(False)
        chosen.append(index)
    return jnp.stack(chosen).astype(jnp.int32)


def candidates(key: jax.Array, state: State, drawn: jax.Array) -> jax.Array:
    """What was generated, and mutations of the front: ``[m, L]``."""
    archive, settings = state.archive, state.settings
    key_parent, key_gene = jax.random.split(key)
    front = dominance.nondominated(state.objectives, state.measured(), state.violation())
    logits = jnp.where(front, 0.0, -jnp.inf)
    logits = jnp.where(front.any(), logits, 0.0)
    rows = jax.random.categorical(key_parent, logits, shape=(settings.mutations,))
    # Before anything is measured, what was generated is mutated.
    parents = jnp.where(front.any(), archive.genotypes[rows], drawn[rows % len(drawn)])
    return jnp.concatenate([drawn, archive.space.mutate(key_gene, parents)])


def _shortlist(made: jax.Array, value: jax.Array, size: int) -> jax.Array:
    """Positions of the most promising candidates, each genotype once: int32 ``[size]``."""
    # Equal genotypes are equally promising: enough are looked through to find others.
    top = jax.lax.top_k(value, min(_TWINS * size, len(made)))[1]
    equal = (made[top][:, None] == made[top]).all(-1)
    earlier = jnp.tril(jnp.ones(equal.shape, bool), k=-1)
    value = jnp.where((equal & earlier).any(axis=1), -1.0, value[top])
    return top[jax.lax.top_k(value, min(size, len(top)))[1]]


def ask(state: State, n: int) -> tuple[jax.Array, State]:
    """Uniform draws up to ``initial`` measurements, then the best generated."""
    settings, space = state.settings, state.archive.space
    names = ("next", "pool", "draw", "mutate", "preference", "promise", "joint", "uniform")
    keys = dict(zip(names, jax.random.split(state.key, len(names)), strict=True))
    preference = state.problem.preference
    preferences = scalarization.directions(
        keys["preference"],
        settings.preferences,
        None if preference is None else jnp.array(preference),
        settings.objectives,
    )
    fitted = models.fit(state, settings.margin, settings.trust, settings.caution)

    known = features.trained_on(state.generator)
    total = len(known.plain)
    rows = jax.random.permutation(keys["pool"], total)[: settings.pool]
    of = jax.tree.map(lambda leaf: jnp.asarray(leaf)[rows], known)
    pooled = models.rate(state, fitted, jnp.asarray(state.generator.genotypes)[rows], of)
    fitted = models.widened(fitted, pooled, settings.objectives)
    best = reached(state, fitted, preferences)
    rating = functools.partial(
        promise, keys["promise"], state, fitted, best=best, preferences=preferences
    )
    value = rating(pooled)
    drawn = generation.generate(
        keys["draw"],
        state.generator,
        settings.candidates,
        weights=pnag_counts.shares(value, rows, total, focus=settings.focus, floor=settings.floor),
    )

    made = candidates(keys["mutate"], state, space.nearest(drawn))
    of = features.embed(spaces.folded(space), made)
    rated = models.rate(state, fitted, made, of)
    seen = state.archive.contains(space.canonical(made)) | ~space.is_valid(made)
    value = jnp.where(seen, -1.0, rating(rated))
    top = _shortlist(made, value, settings.shortlist)

    few = jax.tree.map(lambda leaf: leaf[top], of)
    apart = features.distances(few, state.features)
    short = Rated(rated.mean[top], rated.deviation[top], features.predict(fitted.posterior, apart))
    joint = models.joint_draws(keys["joint"], fitted, short, few, settings.draws)
    chosen = made[top][choose(state, joint, best, preferences, n)]
    genotypes = proposals.after_first(keys["uniform"], state.archive, chosen, settings.initial)
    return genotypes, dataclasses.replace(state, key=keys["next"])


def tell(state: State, genotypes: jax.Array, values: jax.Array) -> State:
    """Remembers what was asked, and its features."""
    state = base.tell(state, genotypes, values)
    told = features.embed(spaces.folded(state.archive.space), genotypes)
    slots = state.archive.slots(state.archive.space.canonical(genotypes))
    kept = jax.tree.map(lambda old, new: old.at[slots].set(new, mode="drop"), state.features, told)
    return dataclasses.replace(state, features=kept)


METHOD = single.Method(
    "pnag_front", single.defaults(Settings), init, ask, tell, takes=("generator", "hint")
)
