"""Speed of the search methods: rounds of ask and tell, all seeds at once."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from experiments.bench import costs, timing
from experiments.bench.costs import Work
from experiments.bench.machine import Peaks
from experiments.bench.timing import Effort
from pnag_jax import methods
from pnag_jax.methods import Method
from pnag_jax.spaces import Space


def measure(
    space: Space,
    names: Sequence[str],
    configs: Mapping[str, Mapping[str, Any]],
    peaks: Peaks,
    effort: Effort,
    *,
    seeds: int = 20,
    budget: int = 192,
) -> list[dict[str, Any]]:
    """Times rounds of a running search; no table is needed for that.

    Args:
      space: what is searched.
      names: of the methods.
      configs: fields that a method needs beyond its defaults, by name.
      peaks: of the machine.
      effort: repeats are rounds here, each taken once as states move on.
      seeds: side by side.
      budget: sizes the archives.
    """
    entries = []
    for name in names:
        config = {**dict(configs.get(name, {})), "budget": budget}
        entries.append(_measure_one(methods.get(name), space, config, peaks, effort, seeds))
    return entries


def _measure_one(
    method: Method,
    space: Space,
    config: dict[str, Any],
    peaks: Peaks,
    effort: Effort,
    seeds: int,
) -> dict[str, Any]:
    batch = int({**method.default_config(space), **config}["batch"])
    keys = jax.random.split(jax.random.key(0), seeds)
    states = jax.vmap(lambda key: method.init(key, space, config))(keys)
    weights = jax.random.normal(jax.random.key(1), (space.genotype_length,))

    def ask_all(states: Any) -> tuple[jax.Array, Any]:
        return jax.vmap(lambda state: method.ask(state, batch))(states)

    ask = jax.jit(ask_all).lower(states).compile()
    proposals, states = ask(states)
    values = _values(proposals, weights)
    tell = jax.jit(jax.vmap(method.tell)).lower(states, proposals, values).compile()
    states = jax.block_until_ready(tell(states, proposals, values))

    asked, told = [], []
    for _ in range(effort.repeats):
        start = time.perf_counter()
        proposals, states = jax.block_until_ready(ask(states))
        middle = time.perf_counter()
        values = jax.block_until_ready(_values(proposals, weights))
        answered = time.perf_counter()
        states = jax.block_until_ready(tell(states, proposals, values))
        asked.append(middle - start)
        told.append(time.perf_counter() - answered)
    rounds = timing.summarize([a + t for a, t in zip(asked, told, strict=True)])
    first, second = costs.of_compiled(ask), costs.of_compiled(tell)
    work = Work(_sum(first.flops, second.flops), _sum(first.bytes, second.bytes))
    return timing.entry(
        f"search round, {method.name}",
        rounds,
        seeds * batch,
        "proposal",
        method=method.name,
        seeds=seeds,
        batch=batch,
        ask_seconds=timing.summarize(asked)._asdict(),
        tell_seconds=timing.summarize(told)._asdict(),
        roofline=costs.roofline(work, peaks, rounds.median),
        xla=work._asdict(),
    )


def _values(proposals: jax.Array, weights: jax.Array) -> jax.Array:
    """Some landscape, so that states fill as in a real search: ``[S, n, L] -> [S, n]``."""
    return jnp.sin(proposals * weights).sum(-1)


def _sum(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a + b
