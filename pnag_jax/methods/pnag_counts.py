"""Search by weighted counts of multi-scale codes: no network is trained on scores.

A Gaussian process over the codes of what was queried (``code_distance``) rates
a sample of the generator's training architectures by expected improvement.
Their ratings weigh the counts, and the weighted counts generate: recombined
codes of architectures that promise something.  What was generated is rated by
the same process, and the best are asked, as different from each other as their
improvements allow.

Architectures are encoded in their canonical forms, so that isomorphic ones are
one.  Letters as in ``methods.base``, and ``M`` training architectures with
``D`` codes.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
from jax.custom_batching import sequential_vmap

from pnag_jax import generation, spaces
from pnag_jax.generation import Generator
from pnag_jax.methods import archive as archives
from pnag_jax.methods import base, code_distance, proposals
from pnag_jax.methods import gaussian_process as gp
from pnag_jax.spaces import Space


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(base.Settings):
    """Fields of the config, beside ``generator``.

    Attributes:
      initial: uniform draws before the first guided ones.
      pool: training architectures that are rated a round.
      focus: of the weights ``(focus + rank) ** -2``: about as many of the
        pool's best have most of the weight.
      floor: share of the weight that all training architectures have alike.
      candidates: architectures generated a round.
      least: expected improvement, in standard deviations of the ranks, under
        which the process is doubted.
    """

    batch: int = base.setting(4, 1)
    initial: int = base.setting(8, 1)
    pool: int = base.setting(2048, 1)
    focus: float = base.setting(16.0, 1.0)
    floor: float = base.setting(0.25, 0.0, 1.0)
    candidates: int = base.setting(512, 1)
    least: float = base.setting(0.03, 0.0)


@flax.struct.dataclass
class State:
    """``archive`` of what was told, its ``codes``, and the ``key`` of the next draw."""

    archive: archives.Archive
    codes: jax.Array
    key: jax.Array
    settings: Settings = flax.struct.field(pytree_node=False)
    generator: Generator = flax.struct.field(pytree_node=False)


@functools.cache
def default_generator(space: Space) -> Generator:
    """The generator of a search that was given none: trained once a process."""
    return generation.train(jax.random.key(0), space)


def init(key: jax.Array, space: Space, config: base.Config | None = None) -> State:
    """A search that has seen nothing; see ``base.Method``.

    ``config["generator"]`` is the ``generation.Generator`` to search with; a
    default one is trained where it is missing.
    """
    fields: dict[str, Any] = dict(config.items() if config is not None else ())
    generator = fields.pop("generator", None)
    settings = base.resolve(Settings, "pnag_counts", fields)
    generator = default_generator(spaces.whole(space)) if generator is None else generator
    return State(
        archive=archives.empty(space, settings.budget),
        codes=jnp.zeros((settings.budget, generator.codes.shape[1]), jnp.int32),
        key=key,
        settings=settings,
        generator=generator,
    )


def _encode(generator: Generator, canonical: jax.Array) -> jax.Array:
    # One search after the other: all of them at once would not fit the caches.
    @sequential_vmap
    def encode(genotypes: jax.Array) -> jax.Array:
        return generation.encode(generator.model, generator.variables, genotypes)

    return encode(canonical)


def fit(state: State) -> gp.Posterior:
    """The process that the measurements so far give."""
    measured = state.archive.measured()[: state.settings.budget]
    targets = gp.normal_scores(state.archive.values[: state.settings.budget], measured)
    by = code_distance.measure(state.generator)
    return gp.fit(code_distance.squared(by, state.codes, state.codes), targets, measured)


def weights(key: jax.Array, state: State, posterior: gp.Posterior) -> jax.Array:
    """What each training architecture counts this round, 1 in all: ``[M]``."""
    generator, settings = state.generator, state.settings
    by = code_distance.measure(generator)
    codes = jnp.asarray(generator.canonical_codes)
    rows = jax.random.permutation(key, len(codes))[: settings.pool]
    prediction = gp.predict(posterior, code_distance.squared(by, codes[rows], state.codes))
    value = gp.expected_improvement(posterior, prediction)
    steep = (settings.focus + jnp.argsort(jnp.argsort(-value))) ** -2.0
    pooled = jnp.zeros(len(codes)).at[rows].set(steep / steep.sum())
    return (1 - settings.floor) * pooled + settings.floor / len(codes)


def ask(state: State, n: int) -> tuple[jax.Array, State]:
    """Uniform draws up to ``initial`` measurements, then the best generated."""
    archive, settings, generator = state.archive, state.settings, state.generator
    key, key_pool, key_draw, key_uniform = jax.random.split(state.key, 4)
    posterior = fit(state)
    candidates = generation.generate(
        key_draw, generator, settings.candidates, weights=weights(key_pool, state, posterior)
    )
    candidates = archive.space.nearest(candidates)
    canonical = archive.space.canonical(candidates)
    codes = _encode(generator, canonical)
    by = code_distance.measure(generator)
    prediction = gp.predict(posterior, code_distance.squared(by, codes, state.codes))
    new = ~archive.contains(canonical)
    chosen = gp.choose(
        gp.doubt(posterior, prediction, new, settings.least),
        prediction,
        lambda index: code_distance.squared(by, codes, codes[index][None])[:, 0],
        new,
        n,
    )
    genotypes = proposals.after_uniform(key_uniform, archive, candidates[chosen], settings.initial)
    return genotypes, dataclasses.replace(state, key=key)


def tell(state: State, genotypes: jax.Array, values: jax.Array) -> State:
    """Remembers what was asked."""
    archive = state.archive.insert(genotypes, values)
    told = archive.space.canonical(genotypes)
    codes = _encode(state.generator, told)
    codes = state.codes.at[archive.slots(told)].set(codes, mode="drop")
    return dataclasses.replace(state, archive=archive, codes=codes)


METHOD = base.Method("pnag_counts", base.defaults(Settings), init, ask, tell)
