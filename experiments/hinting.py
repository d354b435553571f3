"""What untrained networks tell a search before its first query: a zero-cost score."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from experiments.command import say
from experiments.phases import Phase
from pnag_jax import methods as single
from pnag_jax import proxies
from pnag_jax.benchmarks import Table, Task
from pnag_jax.benchmarks.objectives import Goal
from pnag_jax.errors import UsageError
from pnag_jax.methods import hints, several
from pnag_jax.spaces import Space
from pnag_jax.training import hosts

AUTO, NONE = "auto", "none"
# Scores that need no network.
COSTS = ("flops", "params")
# What is meant by auto, where one program scores all networks of a space.
_USUAL = "synflow"
# Architectures that are scored.
_COUNT = 512
# Of small networks: ranks of the scores hardly depend on it, seconds do.
_SKELETONS = {"nb201": {"channels": 4, "cells": 1}}
_EXAMPLES, _SIDE, _CLASSES = 16, 8, 10


class Scores(NamedTuple):
    """Zero-cost scores of uniform draws from a space.

    Attributes:
      name: which score.
      genotypes: int32 ``[m, L]``.
      values: float32 ``[m]``.
      seconds: that they took, compilation included.
    """

    name: str
    genotypes: np.ndarray
    values: np.ndarray
    seconds: float

    def hint(self, space: Space) -> hints.Hint:
        """Of a search of ``space``, which may be a part of the one that was drawn from."""
        return hints.fit(space, self.genotypes, self.values)

    def told(self) -> dict[str, Any]:
        """What ``results.json`` says of a search that began with them."""
        return {
            "score": self.name,
            "architectures": len(self.genotypes),
            "labels": 0,
            "seconds": self.seconds,
        }


def accepted(space_name: str) -> tuple[str, ...]:
    """The scores that can be had of a space."""
    return proxies.names() if space_name in _SKELETONS else COSTS


def resolve(asked: str, space_name: str, field: str = "--hint") -> str | None:
    """The score that is meant, None for no hint.

    Args:
      asked: ``none``, a score, or ``auto``: SynFlow where one program scores all
        networks of the space, and nothing elsewhere.
      space_name: which space.
      field: the flag or the field of the config that asks, for the message.

    Raises:
      UsageError: a score that cannot be had.
    """
    scores = accepted(space_name)
    if asked == NONE or (asked == AUTO and _USUAL not in scores):
        return None
    if asked != AUTO and asked not in scores:
        raise UsageError(
            f"{field}={asked}: accepted for space {space_name} are {AUTO}, {NONE},"
            f" {', '.join(scores)}"
        )
    return _USUAL if asked == AUTO else asked


def plan(asked: str, space: Space, methods: Sequence[str], task: Task | Goal) -> str | None:
    """The score that some of the methods begin with on a task, None for none.

    What promises quality says nothing of a search for a low cost.

    Raises:
      UsageError: as ``resolve``.
    """
    name = resolve(asked, space.name)
    registry = several if isinstance(task, Goal) else single
    takes = any("hint" in registry.get(method).takes for method in methods)
    return name if takes and task.wants_quality else None


def score(
    name: str,
    space: Space,
    workdir_path: str | os.PathLike[str],
    seed: int,
    *,
    together: bool = False,
) -> Scores:
    """Scores of uniform draws, computed once a run; no measurement is read.

    Args:
      name: from ``resolve``.
      space: the whole one.
      workdir_path: folder of the run.
      seed: of the run.
      together: whether all processes call this alike; the leader computes them.

    Raises:
      UsageError: the run was begun with another seed.
      UserError: the system refuses a write.
    """
    key_draw, key_score = jax.random.split(jax.random.key(seed))
    genotypes = np.asarray(space.sample(key_draw, _COUNT))
    values, seconds = np.zeros(_COUNT, np.float32), 0.0
    if hosts.leads() or not together:
        phase = Phase(workdir_path, f"hint-{name}", {"count": _COUNT, "seed": seed})
        values, seconds = _kept(phase, name, space, genotypes, key_score)
    if together:
        values, seconds = hosts.told((values, seconds))
    return Scores(name, genotypes, values, float(seconds))


def score_table(
    name: str, table: Table, workdir_path: str | os.PathLike[str], seed: int
) -> np.ndarray:
    """Scores of a table's rows, NaN for all but the first of isomorphic ones: ``[M]``.

    Arguments and errors as for ``score``.
    """
    rows = np.unique(table.classes[table.valid])
    phase = Phase(workdir_path, f"hint-{name}-table", {"table": table.name, "seed": seed})
    scores = np.full(len(table.genotypes), np.nan, np.float32)
    scores[rows], _ = _kept(phase, name, table.space, table.genotypes[rows], jax.random.key(seed))
    return scores


def _kept(
    phase: Phase, name: str, space: Space, genotypes: np.ndarray, key: jax.Array
) -> tuple[np.ndarray, float]:
    """Scores and the seconds that they took, of this run or an earlier one."""
    if (found := phase.result) is None:
        start = time.perf_counter()
        computed = _computed(name, space, genotypes, key)
        kept = [float(value) if np.isfinite(value) else None for value in computed]
        found = phase.finish({"scores": kept, "seconds": time.perf_counter() - start})
    say(f"hint: {name} of {len(genotypes):,} architectures in {found['seconds']:.1f} s, 0 labels")
    # What has no finite score is the worst: no path leads through it.
    values = [-np.inf if score is None else score for score in found["scores"]]
    return np.array(values, np.float32), float(found["seconds"])


def _computed(name: str, space: Space, genotypes: np.ndarray, key: jax.Array) -> np.ndarray:
    if name in COSTS:
        return np.asarray(getattr(space, name)(genotypes))
    key_images, key_labels, key = jax.random.split(key, 3)
    scored = proxies.score_all(
        [proxies.get(name)],
        space.name,
        genotypes,
        jax.random.normal(key_images, (_EXAMPLES, _SIDE, _SIDE, 3)),
        jax.random.randint(key_labels, (_EXAMPLES,), 0, _CLASSES),
        key,
        num_classes=_CLASSES,
        **_SKELETONS[space.name],
    )
    return scored[name]
