"""What the machine can do at most, measured in the same run.

Every peak is the best of a few ways to do the same thing: XLA's own, and on
CPUs numpy's, spread over all cores.  Shares of these peaks say more than
shares of a data sheet, which a shared or a virtual machine never reaches.
"""

from __future__ import annotations

import concurrent.futures
import functools
import itertools
import os
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.bench import timing
from experiments.bench.timing import Effort

# Index sets that one timed call works through, to make dispatch negligible.
_ROUNDS = 16
_INDICES = 8192


class Sizes(NamedTuple):
    """Sizes of the problems.

    Attributes:
      matmul: rows of the square matrices; large enough to fill all units.
      triad: floats of each of the three arrays; beyond every cache.
    """

    matmul: int = 2048
    triad: int = 2**25


class Peaks(NamedTuple):
    """Medians a second: float operations, bytes, gathered words and gathered rows."""

    flops: float
    bytes: float
    words: float
    rows: float


def measure(
    words: np.ndarray, rows: np.ndarray, effort: Effort, sizes: Sizes | None = None
) -> tuple[list[dict[str, Any]], Peaks]:
    """Measures the four peaks.

    Args:
      words: int32 ``[W]``, a table as large as that which generation reads
        word by word.
      rows: float32 ``[R, H]``, the same for rows.
      effort: how long.
      sizes: of matrix product and stream.

    Returns:
      One entry a peak, and the peaks.
    """
    sizes = sizes or Sizes()
    entries = [
        _best("machine matmul", _matmuls(sizes.matmul), 2.0 * sizes.matmul**3, "flop", effort),
        # As STREAM counts: two arrays read, one written, no write-allocate.
        _best("machine triad", _triads(sizes.triad), 12.0 * sizes.triad, "byte", effort),
        _best("machine word gather", _gathers(words), _ROUNDS * _INDICES, "gather", effort),
        _best("machine row gather", _gathers(rows), _ROUNDS * _INDICES, "gather", effort),
    ]
    return entries, Peaks(*(found["rate"]["median"] for found in entries))


Ways = dict[str, Callable[[], Any]]


def _best(name: str, ways: Ways, amount: float, unit: str, effort: Effort) -> dict[str, Any]:
    """The entry of the fastest way."""
    timed = {way: timing.measure(call, effort) for way, call in ways.items()}
    way = min(timed, key=lambda way: timed[way].median)
    return timing.entry(name, timed[way], amount, unit, way=way)


def _matmuls(size: int) -> Ways:
    a = jax.random.normal(jax.random.key(0), (size, size))
    product = jax.jit(jnp.matmul)
    ways: Ways = {"xla": lambda: product(a, a)}
    if _on_cpu():
        b = np.asarray(a)
        out = np.empty_like(b)
        ways["numpy"] = lambda: np.matmul(b, b, out=out)
    return ways


def _triads(size: int) -> Ways:
    b, c = jnp.ones(size), jnp.full(size, 2.0)
    # The old result is donated: its pages are mapped already.
    triad = jax.jit(lambda a, b, c: b + 3.0 * c, donate_argnums=0, keep_unused=True)
    result = [jnp.zeros(size)]

    def call() -> jax.Array:
        result[0] = triad(result[0], b, c)
        return result[0]

    ways: Ways = {"xla": call}
    if _on_cpu():
        ways["numpy"] = functools.partial(_add_in_place, np.zeros(size, np.float32), np.asarray(b))
    return ways


def _add_in_place(out: np.ndarray, read: np.ndarray) -> None:
    """Adds an array to another in place, all cores: two reads and a write a float."""

    def part(piece: slice) -> None:
        np.add(out[piece], read[piece], out=out[piece])

    _on_all_cores(part, len(out))


def _gathers(table: np.ndarray) -> Ways:
    """Random look-ups, added up so that only the look-ups cost."""
    shape = (_ROUNDS, _INDICES)
    index = jax.random.randint(jax.random.key(1), shape, 0, len(table), jnp.int32)
    on_device = jnp.asarray(table)

    @jax.jit
    def accumulate(table: jax.Array, index: jax.Array) -> jax.Array:
        def add(total: jax.Array, rows: jax.Array) -> tuple[jax.Array, None]:
            return total + table.at[rows].get(mode="promise_in_bounds"), None

        start = jnp.zeros((_INDICES, *table.shape[1:]), table.dtype)
        return jax.lax.scan(add, start, index)[0]

    @jax.jit
    def unrolled(table: jax.Array, index: jax.Array) -> jax.Array:
        total = jnp.zeros((_INDICES, *table.shape[1:]), table.dtype)
        for rows in index:
            total = total + table.at[rows].get(mode="promise_in_bounds")
        return total

    ways: Ways = {
        "xla scan": lambda: accumulate(on_device, index),
        "xla unrolled": lambda: unrolled(on_device, index),
    }
    if _on_cpu():
        ways["numpy"] = functools.partial(_take_all, table, np.asarray(index).astype(np.intp))
    return ways


def _take_all(table: np.ndarray, index: np.ndarray) -> None:
    def part(piece: slice) -> None:
        out = np.empty((piece.stop - piece.start, *table.shape[1:]), table.dtype)
        for row in index:
            np.take(table, row[piece], axis=0, out=out, mode="clip")

    _on_all_cores(part, index.shape[1])


def _on_all_cores(part: Callable[[slice], None], size: int) -> None:
    """Runs ``part`` on as many equal slices of ``size`` as there are cores."""
    edges = np.linspace(0, size, cores() + 1).astype(int)
    pieces = [slice(int(a), int(b)) for a, b in itertools.pairwise(edges)]
    list(_threads().map(part, pieces))


@functools.cache
def _threads() -> concurrent.futures.ThreadPoolExecutor:
    return concurrent.futures.ThreadPoolExecutor(cores())


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _on_cpu() -> bool:
    return jax.default_backend() == "cpu"
