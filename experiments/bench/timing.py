"""Timed loops: medians with their spread, and the rates that follow."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

# Fewer repeats have no quartiles worth the name.
LEAST_REPEATS = 7


class Timing(NamedTuple):
    """Seconds of one call.

    Attributes:
      median: over the repeats.
      q1: first quartile.
      q3: third quartile.
      repeats: how many times were taken.
      calls: each over so many calls in a row.
    """

    median: float
    q1: float
    q3: float
    repeats: int
    calls: int


class Effort(NamedTuple):
    """How long a thing is measured: ``repeats`` of at least ``seconds`` each."""

    repeats: int = LEAST_REPEATS
    seconds: float = 0.1


def summarize(seconds: Sequence[float], calls: int = 1) -> Timing:
    """Median and quartiles of times, each of one call.

    >>> summarize([3.0, 1.0, 2.0, 5.0, 4.0])
    Timing(median=3.0, q1=2.0, q3=4.0, repeats=5, calls=1)
    """
    q1, median, q3 = (float(q) for q in np.quantile(seconds, (0.25, 0.5, 0.75)))
    return Timing(median, q1, q3, len(seconds), calls)


def measure(call: Callable[[], Any], effort: Effort) -> Timing:
    """Times a function that returns arrays, each call waited for.

    The first call, which compiles, and the second, which says how many calls
    make a repeat, are not among the repeats.

    Args:
      call: what is timed.
      effort: how often.
    """
    jax.block_until_ready(call())
    start = time.perf_counter()
    jax.block_until_ready(call())
    once = time.perf_counter() - start
    calls = max(1, math.ceil(effort.seconds / max(once, 1e-9)))
    seconds = []
    for _ in range(effort.repeats):
        start = time.perf_counter()
        for _ in range(calls):
            jax.block_until_ready(call())
        seconds.append((time.perf_counter() - start) / calls)
    return summarize(seconds, calls)


def entry(name: str, timing: Timing, amount: float, unit: str, **more: Any) -> dict[str, Any]:
    """One measurement as the JSON file has it.

    Args:
      name: unique in the file.
      timing: of one call.
      amount: units that one call works off.
      unit: their name, of which ``rate`` gives so many a second.
      **more: further keys.
    """
    return {
        "name": name,
        "seconds": timing._asdict(),
        "rate": {
            "unit": f"{unit}/s",
            "median": amount / timing.median,
            "q1": amount / timing.q3,
            "q3": amount / timing.q1,
        },
        **more,
    }
