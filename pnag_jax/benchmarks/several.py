"""Queries of several objectives at once, and how far they come.

One query reads all objectives and constraints of one architecture *as it is
written*: isomorphic cells reach the same accuracy up to chance, but an operation
whose result nobody uses still takes its time, so that latencies of isomorphic
cells differ and each of them is a query of its own.

The measure is the hypervolume that the queried feasible architectures dominate,
as a share of what the table's own front dominates.  Both are normalized so that
the front's worst values (nadir) are 0 and its best (ideal) 1 in every objective;
the reference point lies ``MARGIN`` below the nadir.  No method sees any of this.

Letters: ``M`` objectives, ``W`` columns told, ``R`` rows of the table, ``q``
queries, ``n`` genotypes.
"""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable
from typing import Any

import jax
import moocore
import numpy as np
from numpy.typing import ArrayLike

from pnag_jax import spaces
from pnag_jax.benchmarks.base import Table
from pnag_jax.benchmarks.ledger import Entry, QueryLedger, short
from pnag_jax.benchmarks.objectives import Goal, feasible, readable
from pnag_jax.spaces import Space

MARGIN = 0.1
# Uniform draws that a table must hold to count as whole.
_DRAWS = 1024


class SeveralLedger(QueryLedger):
    """A ``QueryLedger`` whose queries answer all columns of a ``Goal``.

    A genotype that the table does not hold is read as an isomorphic one.
    """

    def __init__(
        self,
        table: Table,
        task: Any,
        budget: int,
        *,
        clock: Callable[[], float] = time.perf_counter,
    ):
        super().__init__(table, task, budget, clock=clock)
        self.goal: Goal = task
        self.value_shape = (len(self.goal.metrics),)
        self._told = self.goal.told(table)
        self._measured = ~np.isnan(self._told).any(axis=1)

    @staticmethod
    def most(table: Table, task: Any) -> int:
        return int(readable(task, table).sum())

    @property
    def searchable(self) -> Space:
        return searchable(self.table, self.goal)

    def query(self, genotypes: ArrayLike) -> np.ndarray:
        """Reads all columns, higher being better: int ``[n, L]`` to float32 ``[n, W]``.

        NaN where the genotype is invalid or not measured; raises as
        ``QueryLedger.query``.
        """
        super().query(genotypes)
        _, rows, _ = self._resolve(genotypes)
        return np.where(rows[:, None] >= 0, self._told[rows], np.float32(np.nan))

    def told(self) -> np.ndarray:
        """What the queries answered, in order: float32 ``[q, W]``."""
        return self._told[self._rows]

    def _resolve(self, genotypes: ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        array, rows, classes = super()._resolve(genotypes)
        return array, rows, np.where(rows >= 0, rows, classes)

    def _record(self, entry: Entry) -> dict:
        row = self._rows[entry.order - 1]
        values = {
            metric.name: short(metric.values(self.table)[row]) for metric in self.goal.metrics
        }
        record = super()._record(entry)
        del record["value"]
        return record | {"values": values}


@functools.lru_cache(maxsize=16)
def searchable(table: Table, goal: Goal) -> Space:
    """The space of a table, as written, restricted to what it holds if that is only a part.

    A table counts as whole when it holds all of 1,024 uniform draws.
    """
    space = spaces.as_written(table.space)
    rows = readable(goal, table)
    found = table.rows(np.asarray(space.sample(jax.random.key(0), _DRAWS)))
    if (found >= 0).all() and rows[found].all():
        return space
    return spaces.restrict(space, table.genotypes[rows])


@dataclasses.dataclass(frozen=True, eq=False)
class TrueFront:
    """What a table holds at best.

    Attributes:
      rows: of the feasible architectures that no other dominates, ``[F]``.
      values: what is told of them, without slacks: float64 ``[F, M]``.
      ideal: ``[M]``, their best values.
      nadir: ``[M]``, their worst.
      span: ``[M]``, between them; that of all feasible rows, or 1, where it is 0.
      volume: their hypervolume after normalization.
    """

    rows: np.ndarray
    values: np.ndarray
    ideal: np.ndarray
    nadir: np.ndarray
    span: np.ndarray
    volume: float

    def scaled(self, values: np.ndarray) -> np.ndarray:
        """0 at the nadir, 1 at the ideal."""
        return (values - self.nadir) / self.span

    def share(self, values: np.ndarray) -> float:
        """Share of the volume that points ``[q, M]`` dominate."""
        return _volume(self.scaled(values)) / self.volume

    def curve(self, told: np.ndarray) -> np.ndarray:
        """The share after each query, of what was told ``[q, W]``: float64 ``[q]``.

        Architectures that violate a constraint do not count.
        """
        told = np.asarray(told, np.float64)
        count = len(self.ideal)
        met = np.asarray((told[:, count:] >= 0).all(axis=1))
        scaled = self.scaled(told[:, :count])
        kept = np.empty((0, count))
        curve = np.zeros(len(told))
        for i in range(len(told)):
            new = scaled[i]
            if met[i] and (new > -MARGIN).all() and not (kept >= new).all(axis=1).any():
                kept = np.vstack([kept[~(new >= kept).all(axis=1)], new])
                curve[i] = _volume(kept) / self.volume
            elif i:
                curve[i] = curve[i - 1]
        return curve


@functools.lru_cache(maxsize=16)
def true_front(table: Table, goal: Goal) -> TrueFront:
    """The front of all feasible rows."""
    rows = np.flatnonzero(feasible(goal, table))
    values = goal.told(table)[rows, : len(goal.objectives)].astype(np.float64)
    best = np.asarray(moocore.is_nondominated(values, maximise=True, keep_weakly=False))
    front, spread = values[best], np.ptp(values, axis=0)
    ideal, nadir = front.max(axis=0), front.min(axis=0)
    span = np.where(ideal > nadir, ideal - nadir, np.where(spread > 0, spread, 1.0))
    volume = _volume((front - nadir) / span)
    return TrueFront(rows[best], front, ideal, nadir, span, volume)


def _volume(scaled: np.ndarray) -> float:
    """Hypervolume above the reference point, ``MARGIN`` below 0 in every objective."""
    if not len(scaled):
        return 0.0
    # What is not better than the reference point in every objective adds nothing.
    inside = scaled[(scaled > -MARGIN).all(axis=1)]
    reference = np.full(scaled.shape[1], -MARGIN)
    return float(moocore.hypervolume(inside, ref=reference, maximise=True)) if len(inside) else 0.0
