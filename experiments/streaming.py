"""A stream of ``generation.stream`` with files: rated, saved, resumed."""

from __future__ import annotations

import json
import math
import os
import resource
import sys
import time
import zipfile
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.command import say
from pnag_jax import benchmarks
from pnag_jax.benchmarks import QueryLedger, Table, Task
from pnag_jax.errors import DataError, UsageError
from pnag_jax.generation import Generator, keys
from pnag_jax.generation.keys import KeySet
from pnag_jax.generation.stream import Stream
from pnag_jax.methods import path_features, path_process
from pnag_jax.ranks import normal_scores
from pnag_jax.spaces import Space
from pnag_jax.training import files
from pnag_jax.training.interrupts import Interrupt
from pnag_jax.training.workdir import Workdir

COSTS = ("params", "flops")
QUALITIES = ("task", *COSTS)

_STATE = "stream.npz"
# Architectures that are rated in one call; few new ones fill a small one.
_RATED = (256, 16_384)


class Rating(NamedTuple):
    """What the best are chosen by.

    Attributes:
      score: of architectures, more being better.
      about: for ``results.json``.
      table: with the task, to look the best up in the end; None without.
      task: as above.
    """

    score: Callable[[np.ndarray], np.ndarray]
    about: dict[str, Any]
    table: Table | None = None
    task: Task | None = None


def rating(
    key: jax.Array,
    space: Space,
    quality: str,
    *,
    task_name: str | None,
    labels: int,
    benchmark_dir: str | None,
) -> Rating:
    """A rating of architectures.

    Args:
      key: chooses what is measured; consumed.
      space: of the architectures.
      quality: of ``QUALITIES``.
      task_name: of the table; its first if None.
      labels: measurements that are read, all by a ledger.
      benchmark_dir: folder of tables.

    Raises:
      UsageError: no table of this space, no such task, or too many labels.
    """
    if quality in COSTS:
        cost = jax.jit(getattr(space, quality))
        return Rating(lambda rows: -_in_calls(cost, rows), {"quality": f"less {quality}"})
    try:
        table = benchmarks.load(space.name, benchmark_dir)
    except UsageError as error:
        raise UsageError(
            f"--quality=task: {error}; without a table --quality={' or '.join(COSTS)} is accepted"
        ) from error
    task = benchmarks.get_task(table, task_name or benchmarks.default_task(table))
    most = QueryLedger.most(table, task)
    if not 2 <= labels <= most:
        raise UsageError(f"--labels={labels}: accepted are 2 to {most}")
    ledger = QueryLedger(table, task, labels)
    order = np.asarray(jax.random.permutation(key, len(table.genotypes)))
    for start in range(0, len(order), labels):
        if not ledger.remaining:
            break
        asked = table.genotypes[order[start : start + ledger.remaining]]
        ledger.query(asked)
    entries = ledger.entries
    genotypes = np.stack([entry.genotype for entry in entries])
    values = np.array([entry.value for entry in entries], np.float32)
    score = process_mean(space, genotypes, values if task.maximize else -values)
    about = {"quality": f"predicted {task.search_column}", "task": task.name, "labels": ledger.used}
    return Rating(score, about, table, task)


def process_mean(
    space: Space, genotypes: np.ndarray, values: np.ndarray
) -> Callable[[np.ndarray], np.ndarray]:
    """The expected normal score of architectures, by a process over measured ones.

    Args:
      space: of all of them.
      genotypes: int ``[C, L]``, measured.
      values: ``[C]``, more being better.
    """
    known = jnp.asarray(path_process.features_of(space, genotypes))
    measured = jnp.ones(len(known), bool)
    targets = normal_scores(jnp.asarray(values, jnp.float32), measured)
    fitted = path_process.fit(space, known, targets, measured)

    @jax.jit
    def mean(genotypes: jax.Array) -> jax.Array:
        features = path_features.embed(space, space.canonical(genotypes))
        return fitted.predict(known, features).mean

    return lambda rows: _in_calls(mean, rows)


def _in_calls(function: Callable[[Any], jax.Array], rows: np.ndarray) -> np.ndarray:
    """Calls of two shapes, whatever the number of rows: ``[m, L] -> float64 [m]``."""
    size = _RATED[0] if len(rows) <= _RATED[0] else _RATED[1]
    padded = np.resize(rows, (-(-len(rows) // size) * size, rows.shape[1])).astype(np.int32)
    parts = [np.asarray(function(padded[i : i + size])) for i in range(0, len(padded), size)]
    return np.concatenate(parts)[: len(rows)].astype(np.float64)


def run(
    workdir: Workdir,
    key: jax.Array,
    generator: Generator,
    rating: Rating,
    *,
    count: int,
    most: int,
    size: int,
    memory: int,
    save_seconds: float,
    interrupt: Interrupt,
) -> dict[str, Any]:
    """Streams from where an earlier process stopped, and writes ``top.jsonl``.

    Args:
      workdir: of the run.
      key: of the stream, consumed.
      generator: what draws.
      rating: what the best are chosen by.
      count: architectures in all.
      most: of which so many are kept.
      size: a device and round.
      memory: bytes of the set.
      save_seconds: between two saves.
      interrupt: flag of a signal.

    Returns:
      ``space, generated, distinct, exact, capacity, refused`` (new ones without
      room), ``expected_collisions`` (of hashed keys), ``seconds`` and
      ``rate`` of this process, ``peak_rss_bytes``, and the ``rating``.
    """
    space = generator.model.space
    seen = KeySet(capacity_of(space, memory), _shards())
    devices = jax.local_devices()
    stream = Stream(key, generator, seen=seen, score=rating.score, most=most, size=size)
    saved = _read(workdir)
    if saved is not None:
        stream.restore(saved)
        say(f"resumed after {stream.generated:,} architectures")
    begun, start = stream.generated, time.monotonic()
    last = [start]

    def after() -> None:
        now = time.monotonic()
        if now - last[0] >= save_seconds or interrupt.requested:
            last[0] = now
            _save(workdir, stream)
            rate = (stream.generated - begun) / (now - start)
            say(f"{stream.generated:,} of {count:,}, {stream.distinct:,} distinct, {rate:,.0f}/s")
            interrupt.check(f"{stream.generated:,} architectures are saved")

    stream.run(count, after)
    seconds = time.monotonic() - start
    if stream.generated > begun:
        _save(workdir, stream)
    _write_top(workdir, stream, space, rating)
    exact_keys = keys.is_exact(space)
    return {
        "space": space.name,
        "devices": len(devices),
        "device_kind": devices[0].device_kind,
        "generated": stream.generated,
        "distinct": stream.distinct,
        "exact": exact_keys and not stream.refused,
        "capacity": seen.capacity,
        "refused": stream.refused,
        "expected_collisions": 0.0 if exact_keys else stream.distinct**2 / 2.0**65,
        "seconds": seconds,
        "rate": (stream.generated - begun) / seconds if stream.generated > begun else None,
        "set_bytes": seen.bytes,
        "peak_rss_bytes": peak_rss(),
        "best": float(stream.best.scores[0]) if len(stream.best.scores) else None,
        "rating": rating.about,
    }


def capacity_of(space: Space, memory: int) -> int:
    """Keys that a set may hold: what memory allows, or all there are."""
    # Tables have a power of two of slots, up to twice as many as are needed.
    allowed = int(0.8 * 2 ** math.floor(math.log2(max(memory, 2048) / 8)) * 0.99)
    return min(allowed, math.prod(space.choices))


def _shards() -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    # Two cores are busy drawing.
    return 1 << max(0, ((cores or 1) // 4).bit_length() - 1)


def peak_rss() -> int:
    """Bytes of memory that this process held at most."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def _save(workdir: Workdir, stream: Stream) -> None:
    path = workdir.inside(_STATE)
    partial = path.with_suffix(".partial")
    with files.writing(path):
        # Not in memory first: the keys may be most of it.
        with open(partial, "wb") as file:
            np.savez(file, **stream.state())  # type: ignore[arg-type]
        os.replace(partial, path)


def _read(workdir: Workdir) -> dict[str, np.ndarray] | None:
    path = workdir.inside(_STATE)
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: damaged or truncated: {error}") from error


def _write_top(workdir: Workdir, stream: Stream, space: Space, rating: Rating) -> None:
    genotypes = stream.best.genotypes.astype(np.int32)
    lines: list[dict[str, Any]] = [
        {"rank": rank, "architecture": space.to_string(genotype), "score": float(score)}
        for rank, (genotype, score) in enumerate(
            zip(genotypes, stream.best.scores, strict=True), start=1
        )
    ]
    if rating.table is not None and rating.task is not None and lines:
        rows = rating.table.rows(genotypes)
        column = rating.table.column(rating.task.report_column)
        for line, row in zip(lines, rows, strict=True):
            value = float(column[row]) if row >= 0 else math.nan
            # Looked up after the choice: what the table says, where it says anything.
            line["report_value"] = None if math.isnan(value) else value
    workdir.write_text("top.jsonl", "".join(json.dumps(line) + "\n" for line in lines))


def as_text(results: dict[str, Any]) -> str:
    """A few lines for a terminal."""
    exact = "exactly" if results["exact"] else "not exactly"
    lines = [
        f"{results['generated']:,} architectures of {results['space']} generated,"
        f" {results['distinct']:,} of them distinct, counted {exact}"
        f" (room for {results['capacity']:,})",
        f"{results['seconds']:.1f} s on {results['devices']} x {results['device_kind']}"
        + (f", {results['rate']:,.0f} a second" if results["rate"] else ""),
        f"peak memory {results['peak_rss_bytes'] / 1e9:.2f} GB",
    ]
    if results["refused"]:
        lines.append(
            f"overflow: {results['refused']:,} new or repeated ones found no room in the set;"
            " a larger --memory would count them"
        )
    if results["expected_collisions"]:
        lines.append(
            f"keys are hashes: {results['expected_collisions']:.2g} pairs are expected to agree"
        )
    return "\n".join(lines)
