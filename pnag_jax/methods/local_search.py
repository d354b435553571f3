"""Local search with restarts.

White, Nolen and Savani, "Exploring the Loss Landscape in Neural Architecture
Search", UAI 2021: measure the one-gene neighbours of the current
architecture, move to a better one, and start again from a random
architecture when none is better.

Neighbours that were measured before cost nothing, so they count at once.
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


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(base.Settings):
    """Fields of the config.

    Attributes:
      initial: uniform draws, the best of which is the first start.
      first_improvement: move to the first better neighbour; otherwise to the
        best one, once all are known.
    """

    initial: int = base.setting(10, 1)
    first_improvement: bool = True


@flax.struct.dataclass
class State:
    """The climb so far.

    Attributes:
      archive: everything told.
      current: int32 ``[L]``, where the climb stands; -1 between climbs.
      value: float32 scalar, its value; -inf between climbs.
      climbs: int32 scalar, climbs that have ended.
      key: of the next draw.
    """

    archive: archives.Archive
    current: jax.Array
    value: jax.Array
    climbs: jax.Array
    key: jax.Array
    settings: Settings = flax.struct.field(pytree_node=False)


def init(key: jax.Array, space: Space, config: base.Config | None = None) -> State:
    """A search that has seen nothing; see ``base.Method``."""
    settings = base.resolve(Settings, "local_search", config)
    return State(
        archive=archives.empty(space, settings.budget),
        current=jnp.full(space.genotype_length, -1, jnp.int32),
        value=jnp.full((), -jnp.inf, jnp.float32),
        climbs=jnp.zeros((), jnp.int32),
        key=key,
        settings=settings,
    )


def ask(state: State, n: int) -> tuple[jax.Array, State]:
    """Unknown neighbours in random order, uniform draws where there are none."""
    archive = state.archive
    key, key_order, key_rest = jax.random.split(state.key, 3)
    neighbours = archive.space.neighbours(jnp.maximum(state.current, 0))
    order = jnp.argsort(jax.random.bits(key_order, neighbours.shape[:1]))
    limit = jnp.where(jnp.isfinite(state.value), n, 0)
    batch = proposals.empty_batch(archive.space, n).add(archive, neighbours[order], limit)
    genotypes = proposals.complete_uniformly(key_rest, batch, archive)
    return genotypes, dataclasses.replace(state, key=key)


def tell(state: State, genotypes: jax.Array, values: jax.Array) -> State:
    """Starts a climb if none is on, and climbs as far as the archive reaches."""
    genotypes = jnp.asarray(genotypes, jnp.int32)
    archive = state.archive.insert(genotypes, values)
    good = jnp.isfinite(values) & archive.space.is_valid(genotypes)
    told = jnp.where(good, jnp.asarray(values, jnp.float32), -jnp.inf)
    best_told = jnp.argmax(told)
    best, best_value = archive.best()
    # The first climb starts at the best of the initial draws, a later one
    # where the uniform draw fell.
    first = state.climbs == 0
    start = jnp.where(first, best, genotypes[best_told])
    start_value = jnp.where(first, best_value, told[best_told])
    start_value = jnp.where(archive.count >= state.settings.initial, start_value, -jnp.inf)
    idle = ~jnp.isfinite(state.value)
    here = _Place(
        jnp.where(idle, start, state.current),
        jnp.where(idle, start_value, state.value),
        ended=jnp.zeros((), bool),
        moved=jnp.isfinite(jnp.where(idle, start_value, state.value)),
    )
    here = jax.lax.while_loop(
        lambda place: place.moved,
        lambda place: _step(place, archive, state.settings.first_improvement),
        here,
    )
    on = jnp.isfinite(here.value) & ~here.ended
    return dataclasses.replace(
        state,
        archive=archive,
        current=jnp.where(on, here.genotype, -1),
        value=jnp.where(on, here.value, -jnp.inf),
        climbs=state.climbs + here.ended,
    )


class _Place(NamedTuple):
    """Where a climb stands, and whether its last step moved or ended it."""

    genotype: jax.Array
    value: jax.Array
    ended: jax.Array
    moved: jax.Array


def _step(place: _Place, archive: archives.Archive, first_improvement: bool) -> _Place:
    """Moves to the best measured neighbour if the rule lets it."""
    neighbours = archive.space.neighbours(place.genotype)
    keys = archive.space.canonical(neighbours)
    valid = archive.space.is_valid(neighbours)
    values = jnp.where(valid, archive.lookup(keys), -jnp.inf)
    complete = (archive.contains(keys) | ~valid).all()
    best = jnp.argmax(values)
    better = values[best] > place.value
    moved = better & (complete | first_improvement)
    return _Place(
        genotype=jnp.where(moved, neighbours[best], place.genotype),
        value=jnp.where(moved, values[best], place.value),
        ended=complete & ~better,
        moved=moved,
    )


METHOD = base.Method("local_search", base.defaults(Settings), init, ask, tell)
