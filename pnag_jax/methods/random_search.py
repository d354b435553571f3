"""Uniform random search without repeats."""

from __future__ import annotations

import dataclasses

import flax.struct
import jax

from pnag_jax.methods import archive as archives
from pnag_jax.methods import base, proposals
from pnag_jax.spaces import Space


@flax.struct.dataclass
class State:
    """``archive`` of what was told, and the ``key`` of the next draw."""

    archive: archives.Archive
    key: jax.Array


def init(key: jax.Array, space: Space, config: base.Config | None = None) -> State:
    """A search that has seen nothing; see ``base.Method``."""
    settings = base.resolve(base.Settings, "random", config)
    return State(archive=archives.empty(space, settings.budget), key=key)


def ask(state: State, n: int) -> tuple[jax.Array, State]:
    """``n`` uniform draws among the architectures not told yet."""
    key, key_draw = jax.random.split(state.key)
    batch = proposals.empty_batch(state.archive.space, n)
    genotypes = proposals.complete_uniformly(key_draw, batch, state.archive)
    return genotypes, dataclasses.replace(state, key=key)


def tell(state: State, genotypes: jax.Array, values: jax.Array) -> State:
    """Remembers what was asked."""
    archive = state.archive.insert(genotypes, values)
    return dataclasses.replace(state, archive=archive)


METHOD = base.Method("random", base.defaults(base.Settings), init, ask, tell)
