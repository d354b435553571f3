"""Progressive neural architecture generation as a search: fit, generate, choose.

A round fits a surrogate to all measurements, generates architectures that it
steers, and asks the best that differ.  The surrogate is a Gaussian process that
learns which groups of path features count (``path_process.learn``).  What it
rates comes from three sources: weighted counts of multi-scale codes, as in
``pnag_counts``, steered by the surrogate half-way (``generation.guidance``: at
more scales the samples come out no better and less diverse); neighbours of the
best so far; uniform draws.  Where other tasks tell what to start from, the first
measurements are of that, and it is rated too.  Where untrained networks give a
hint (``methods.hints``), the surrogate begins with it and chooses sooner.

Letters as in ``methods.base``, ``m`` candidates of a round.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from pnag_jax.errors import UsageError
from pnag_jax.generation import guidance
from pnag_jax.methods import (
    base,
    hints,
    path_features,
    path_process,
    pnag_counts,
    proposals,
    relevance,
    surrogate,
)
from pnag_jax.methods.relevance import Relevance
from pnag_jax.spaces import Space

# Architectures of each kind whose expectations are compared in the trace.
_COMPARED = 128


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(pnag_counts.Settings):
    """Fields of the config, beside ``generator`` and those of ``pnag_counts``.

    Attributes:
      temperature: of the guidance half-way from coarse to fine, in standard
        deviations of the surrogate's expectations.
      uniform: uniform draws that are rated a round.
      parents: the best so far, whose mutations are rated too.
      mutations: of each parent.
      trust: how many measurements a hint is worth; 0 leaves it out.
      hinted: what takes the place of ``initial`` where there is a hint.
    """

    batch: int = base.setting(2, 1)
    initial: int = base.setting(6, 1)
    least: float = base.setting(0.0, 0.0)
    temperature: float = base.setting(1.0, 0.01)
    uniform: int = base.setting(2048, 1)
    parents: int = base.setting(8, 1)
    mutations: int = base.setting(32, 1)
    trust: float = base.setting(12.0, 0.0)
    hinted: int = base.setting(2, 1)


@flax.struct.dataclass
class State(pnag_counts.State):
    """Beside what was told and the generator:

    Attributes:
      relevant: how much each group of features counts.
      trace: of ``budget`` queries.
      start: proposals from other tasks, best first: int32 ``[s, L]``.
      hint: what the surrogate begins with, if anything.
    """

    relevant: Relevance
    trace: base.Trace
    start: jax.Array
    hint: hints.Hint | None


def init(key: jax.Array, space: Space, config: base.Config | None = None) -> State:
    """A search that has seen nothing; see ``base.Method`` and ``pnag_counts.init``.

    ``config["start"]`` are genotypes ``[s, L]`` to begin with, best first, such as
    ``transferable.propose`` finds without a query; uniform draws where it is missing.
    ``config["hint"]`` is a ``hints.Hint`` of the space, if there is one.
    """
    fields: dict[str, Any] = dict(config.items() if config is not None else ())
    start, hint = _accepted(space, fields.pop("start", ())), fields.pop("hint", None)
    begun = pnag_counts.begin(key, space, "pnag", Settings, fields)
    settings = begun.settings
    if hint is not None and settings.trust > 0:
        settings = dataclasses.replace(settings, initial=min(settings.initial, settings.hinted))
    else:
        hint = None
    unknown = jnp.full(settings.budget, jnp.nan)
    return State(
        relevant=relevance.usual(len(path_features.GROUPS)),
        trace=base.Trace(unknown, unknown),
        start=start,
        hint=hint,
        **{**vars(begun), "settings": settings},
    )


def _accepted(space: Space, start: ArrayLike) -> jax.Array:
    """The genotypes to start from: int32 ``[s, L]``."""
    given = np.asarray(start, np.int32).reshape(-1, space.genotype_length)
    if (given < 0).any() or (given >= np.array(space.choices)).any():
        raise UsageError(f"pnag: config.start holds what is no genotype of space {space.name}")
    return space.nearest(given) if len(given) else jnp.asarray(given)


def ask(state: State, n: int) -> tuple[jax.Array, State]:
    """What to start from up to ``initial`` measurements, then the best of all sources."""
    settings, space = state.settings, state.archive.space
    key, key_weights, key_draw, key_near, key_uniform = jax.random.split(state.key, 5)
    known = (state.features, state.targets(), state.measured())
    trend = None if state.hint is None else hints.trend(state.hint, *known, settings.trust)
    fitted, relevant = path_process.learn(space, *known, state.relevant, trend)

    def expected(genotypes: jax.Array) -> jax.Array:
        features = path_features.embed(space, space.canonical(genotypes))
        return fitted.predict(state.features, features).mean

    guide = guidance.Guidance(
        weights=pnag_counts.weights(key_weights, state, fitted),
        score=expected,
        temperature=settings.temperature,
        scales=(len(state.generator.model.scales) // 2,),
    )
    generated = guidance.generate(key_draw, state.generator, settings.candidates, guide)
    near = surrogate.candidates(key_near, state, settings.uniform)
    choose = functools.partial(
        path_process.choose, fitted, state.features, n=n, least=settings.least
    )
    rated = jnp.concatenate([space.nearest(generated), near, state.start])
    first = state.start if len(state.start) else None
    genotypes = surrogate.propose(key_uniform, state, rated, choose, first)
    compared = jnp.concatenate([genotypes, generated[:_COMPARED], near[:_COMPARED]])
    asked, made, drawn = jnp.split(expected(compared), (n, n + len(generated[:_COMPARED])))
    trace = _traced(state, asked, _steered(made, drawn))
    return genotypes, dataclasses.replace(state, key=key, relevant=relevant, trace=trace)


def _steered(generated: jax.Array, uniform: jax.Array) -> jax.Array:
    """See ``base.Trace``; a scalar."""
    return (generated.mean() - uniform.mean()) / jnp.maximum(uniform.std(), 1e-6)


def _traced(state: State, expected: jax.Array, steered: jax.Array) -> base.Trace:
    """The trace with a round of proposals ``[n]``, the guided of which come first."""
    n, first = len(expected), state.archive.count
    guided = jnp.arange(n) < proposals.guided_slots(state.archive, n, state.settings.initial)
    slots = first + jnp.arange(n)

    def note(column: jax.Array, values: jax.Array) -> jax.Array:
        return column.at[slots].set(jnp.where(guided, values, jnp.nan), mode="drop")

    return base.Trace(note(state.trace.expected, expected), note(state.trace.steered, steered))


METHOD = base.Method(
    "pnag",
    base.defaults(Settings),
    init,
    ask,
    surrogate.tell,
    trace=lambda state: state.trace,
    takes=("generator", "start", "hint"),
)
