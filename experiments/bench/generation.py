"""Speed of generation: one architecture at a time, and batches."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import jax

from experiments.bench import costs, timing
from experiments.bench.costs import Work
from experiments.bench.machine import Peaks
from experiments.bench.timing import Effort
from pnag_jax import generation
from pnag_jax.generation import Generator

# A fresh key a call: the same one would walk the same, cached, way through the tables.
_KEYS = 64


def measure(
    generator: Generator, batches: Sequence[int], peaks: Peaks, effort: Effort
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Times ``generation.generate`` as a user calls it.

    Args:
      generator: what generates.
      batches: numbers of architectures a call, beside 1.
      peaks: of the machine.
      effort: how long.

    Returns:
      One entry a batch, and the count of one architecture: the analytic one,
      and XLA's under ``xla``.
    """
    analytic = costs.of_generation(generator)
    each = Work(
        flops=analytic["flops"],
        bytes=analytic["bytes_read"] + analytic["bytes_written"],
        words=analytic["words"],
        rows=analytic["rows"],
    )
    entries = []
    for batch in sorted({1, *batches}):
        timed = _time(generator, batch, effort)
        entries.append(
            timing.entry(
                f"generation of {batch}",
                timed,
                batch,
                "architecture",
                batch=batch,
                seconds_each=timed.median / batch,
                roofline=costs.roofline(each, peaks, timed.median / batch),
            )
        )
    return entries, {**analytic, "xla": _xla_count(generator)}


def _time(generator: Generator, batch: int, effort: Effort) -> timing.Timing:
    keys = itertools.cycle(list(jax.random.split(jax.random.key(0), _KEYS)))
    return timing.measure(lambda: generation.generate(next(keys), generator, batch), effort)


def _xla_count(generator: Generator, batch: int = 1024) -> dict[str, float | None]:
    """Of one architecture of a batch; the loop over positions counts as one of them."""

    def generate(key: jax.Array) -> jax.Array:
        return generation.generate(key, generator, batch)

    work = costs.of_compiled(jax.jit(generate).lower(jax.random.key(0)).compile())
    return {
        "flops": None if work.flops is None else work.flops / batch,
        "bytes": None if work.bytes is None else work.bytes / batch,
    }
