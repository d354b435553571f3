"""Search by weighted counts of multi-scale codes: no network is trained on scores.

A Gaussian process over path features (``path_process``) rates a sample of the
generator's training architectures by expected improvement.  Their ratings
weigh the counts, and the weighted counts generate: recombined codes of
architectures that promise something.  What was generated is rated by the same
process, and the best are asked, as different from each other as their
improvements allow.

Letters as in ``methods.base``, ``M`` training architectures, ``E`` features.
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
from pnag_jax.methods import archive as archives
from pnag_jax.methods import base, path_process, surrogate
from pnag_jax.methods import gaussian_process as gp
from pnag_jax.spaces import Space


@dataclasses.dataclass(frozen=True, kw_only=True)
class Generating:
    """Fields of methods that generate from weighted counts.

    Attributes:
      pool: training architectures that are rated a round.
      focus: of the weights ``(focus + rank) ** -2``: about as many of the
        pool's best have most of the weight.
      floor: share of the weight that all training architectures have alike.
      candidates: architectures generated a round.
    """

    pool: int = base.setting(2048, 1)
    focus: float = base.setting(16.0, 1.0)
    floor: float = base.setting(0.25, 0.0, 1.0)
    candidates: int = base.setting(512, 1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(Generating, base.Settings):
    """Fields of the config, beside ``generator``; more in ``Generating``.

    Attributes:
      initial: uniform draws before the first guided ones.
      least: expected improvement, in standard deviations of the ranks, under
        which the process is doubted.
    """

    batch: int = base.setting(4, 1)
    initial: int = base.setting(8, 1)
    least: float = base.setting(0.03, 0.0)


@flax.struct.dataclass
class State(surrogate.State):
    """Beside what was told the ``generator``."""

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
    return begin(key, space, "pnag_counts", Settings, config)


def begin(
    key: jax.Array,
    space: Space,
    method: str,
    settings_type: type[Settings],
    config: base.Config | None,
) -> State:
    """What ``init`` does, for a method of that name and those settings."""
    fields: dict[str, Any] = dict(config.items() if config is not None else ())
    generator = fields.pop("generator", None)
    settings = base.resolve(settings_type, method, fields)
    if generator is None:
        with jax.ensure_compile_time_eval():  # a search may begin while it is traced
            generator = default_generator(spaces.whole(space))
    return State(
        archive=archives.empty(space, settings.budget),
        key=key,
        settings=settings,
        features=surrogate.no_features(space, settings.budget),
        generator=generator,
    )


def weights(key: jax.Array, state: State, fitted: path_process.Fitted) -> jax.Array:
    """What each training architecture counts this round, 1 in all: ``[M]``."""
    settings, features = state.settings, jnp.asarray(path_process.trained_on(state.generator))
    rows = jax.random.permutation(key, len(features))[: settings.pool]
    prediction = fitted.predict(state.features, features[rows])
    value = gp.expected_improvement(fitted.posterior, prediction)
    return shares(value, rows, len(features), focus=settings.focus, floor=settings.floor)


def shares(
    value: jax.Array, rows: jax.Array, total: int, *, focus: float, floor: float
) -> jax.Array:
    """What each of ``total`` training architectures counts, by the values of ``rows``.

    Args:
      value: ``[r]``, more is better.
      rows: int32 ``[r]``, which architectures they are of.
      total: number of architectures.
      focus: see ``Generating``.
      floor: see ``Generating``.

    Returns:
      ``[total]``, 1 in all.
    """
    steep = (focus + jnp.argsort(jnp.argsort(-value))) ** -2.0
    pooled = jnp.zeros(total).at[rows].set(steep / steep.sum())
    return (1 - floor) * pooled + floor / total


def ask(state: State, n: int) -> tuple[jax.Array, State]:
    """Uniform draws up to ``initial`` measurements, then the best generated."""
    settings = state.settings
    key, key_pool, key_draw, key_uniform = jax.random.split(state.key, 4)
    space = state.archive.space
    fitted = path_process.fit(space, state.features, state.targets(), state.measured())
    drawn = generation.generate(
        key_draw,
        state.generator,
        settings.candidates,
        weights=weights(key_pool, state, fitted),
    )
    rated = space.nearest(drawn)
    choose = functools.partial(
        path_process.choose, fitted, state.features, n=n, least=settings.least
    )
    genotypes = surrogate.propose(key_uniform, state, rated, choose)
    return genotypes, dataclasses.replace(state, key=key)


METHOD = base.Method(
    "pnag_counts", base.defaults(Settings), init, ask, surrogate.tell, takes=("generator",)
)
