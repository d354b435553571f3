"""The only way from a search method to a measurement.

A query is the first time that an architecture's measurement is read, for any
purpose.  Isomorphic genotypes are one architecture.  The ledger counts
queries, refuses those beyond the budget, and knows what was found when.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from pnag_jax.benchmarks.base import Table, judge
from pnag_jax.benchmarks.coverage import searchable
from pnag_jax.benchmarks.optimum import queryable
from pnag_jax.benchmarks.tasks import Task
from pnag_jax.errors import DataError, UsageError, UserError
from pnag_jax.spaces import Space

_INVALID, _UNMEASURED = -1, -2


class BudgetError(UsageError):
    """A query that the budget does not allow; nothing was read."""


class Entry(NamedTuple):
    """One query.

    Attributes:
      order: 1 for the first query.
      genotype: int32 ``[L]``, as it was asked for.
      value: the search metric, in the table's units.
      seconds: wall time since the ledger was opened, breaks between a save
        and its resumption not counted.
    """

    order: int
    genotype: np.ndarray
    value: float
    seconds: float


class QueryLedger:
    """Counts and answers the queries of one run of one method.

    * A genotype that the space does not accept is answered NaN, costs nothing
      and is counted in ``invalid``, every time that it is proposed.
    * So is, in ``unmeasured``, one that the table has no search value for.
    * A genotype whose architecture was read before, be it as an isomorphic
      genotype, costs nothing and gives the value that was read then.
    * Where the search metric is a cost, methods see its negative: for them
      higher is always better.  Entries and reports keep the table's sign.

    Args:
      table: the measurements.
      task: the pair of metrics.
      budget: the number of queries allowed.
      clock: seconds on a monotonic clock.

    Raises:
      UsageError: the budget is less than 1 or more than the table has
        architectures to query.
    """

    # Of what one architecture is answered.
    value_shape: tuple[int, ...] = ()

    def __init__(
        self,
        table: Table,
        task: Task,
        budget: int,
        *,
        clock: Callable[[], float] = time.perf_counter,
    ):
        most = self.most(table, task)
        if not 1 <= budget <= most:
            raise UsageError(
                f"budget {budget}: accepted are 1 .. {most}, the distinct valid architectures "
                f"with {task.search_column} in table {table.name}"
            )
        self.table = table
        self.task = task
        self.budget = int(budget)
        self.invalid = 0
        self.unmeasured = 0
        self.foreign_labels = 0
        self._clock = clock
        self._opened = clock()
        self._sign = np.float32(1 if task.maximize else -1)
        self._search = table.column(task.search_column)
        self._report = table.column(task.report_column)
        self._measured = ~np.isnan(self._search)
        # Of each class that was read, its place in the three lists.
        self._order: dict[int, int] = {}
        self._genotypes: list[np.ndarray] = []
        self._rows: list[int] = []
        self._seconds: list[float] = []

    @staticmethod
    def most(table: Table, task: Task) -> int:
        """Queries that a table can answer."""
        return queryable(table, task.search_column)

    @property
    def searchable(self) -> Space:
        """What of the table's space a search can reach."""
        return searchable(self.table, self.task.search_column)

    @property
    def used(self) -> int:
        """Queries made."""
        return len(self._rows)

    @property
    def remaining(self) -> int:
        """Queries left."""
        return self.budget - self.used

    @property
    def seconds(self) -> float:
        """Wall time since the ledger was opened."""
        return self._clock() - self._opened

    @property
    def entries(self) -> list[Entry]:
        """All queries, in order."""
        values = self._search[self._rows]
        columns = zip(self._genotypes, values, self._seconds, strict=True)
        return [
            Entry(order, genotype, float(value), seconds)
            for order, (genotype, value, seconds) in enumerate(columns, start=1)
        ]

    def add_foreign_labels(self, count: int) -> None:
        """Counts labels of other tasks that the method has been given."""
        self.foreign_labels += int(count)

    def affordable(self, genotypes: ArrayLike) -> int:
        """Length of the longest prefix of ``genotypes`` that fits the budget.

        Args:
          genotypes: int ``[n, L]``.
        """
        _, rows, classes = self._resolve(genotypes)
        new: set[int] = set()
        for position, (row, kind) in enumerate(zip(rows.tolist(), classes.tolist(), strict=True)):
            if row >= 0 and kind not in self._order:
                new.add(kind)
                if len(new) > self.remaining:
                    return position
        return len(rows)

    def query(self, genotypes: ArrayLike) -> np.ndarray:
        """Reads the search metric, higher being better.

        Args:
          genotypes: int ``[n, L]``.

        Returns:
          float32 ``[n]``; NaN where the genotype is invalid or not measured.

        Raises:
          BudgetError: the new architectures among them are more than are left.
            Nothing was read or counted.
          SpaceError: not a matrix of integers of the space's length.
        """
        array, rows, classes = self._resolve(genotypes)
        readable = rows >= 0
        new = set(classes[readable].tolist()).difference(self._order)
        if len(new) > self.remaining:
            raise BudgetError(
                f"{len(new)} new architectures, but {self.remaining} of {self.budget} queries "
                f"are left on {self.task.name}"
            )
        self.invalid += int((rows == _INVALID).sum())
        self.unmeasured += int((rows == _UNMEASURED).sum())
        now = self.seconds
        values = np.full(len(rows), np.nan, np.float32)
        for position in np.flatnonzero(readable).tolist():
            order = self._order.setdefault(int(classes[position]), self.used)
            if order == self.used:
                self._genotypes.append(array[position])
                self._rows.append(int(rows[position]))
                self._seconds.append(now)
            values[position] = self._sign * self._search[self._rows[order]]
        return values

    def report_values(self) -> np.ndarray:
        """The report metric of each query: float32 ``[used]``, NaN where not measured."""
        return self._report[self._rows]

    def incumbent_curve(self) -> np.ndarray:
        """The report metric of the incumbent after each query: float64 ``[used]``.

        The incumbent has the best search value so far.  Where several tie it
        is the mean over those whose report metric was measured (NaN if none).
        """
        curve = np.full(self.used, np.nan)
        best, total, count = -np.inf, 0.0, 0
        values = self._sign * self._search[self._rows]
        pairs = zip(values.tolist(), self.report_values().tolist(), strict=True)
        for position, (value, report) in enumerate(pairs):
            if value > best:
                best, total, count = value, 0.0, 0
            if value == best and not np.isnan(report):
                total, count = total + report, count + 1
            if count:
                curve[position] = total / count
        return curve

    def best(self, n: int) -> list[dict]:
        """The ``n`` queried architectures with the best search values.

        Returns:
          Dicts with ``genotype`` (list), ``search_value`` and
          ``report_value`` (None where not measured); ties in query order.
        """
        order = np.argsort(-self._sign * self._search[self._rows], kind="stable")[:n]
        found = []
        for position in order.tolist():
            report = self._report[self._rows[position]]
            found.append(
                {
                    "genotype": self._genotypes[position].tolist(),
                    "search_value": short(self._search[self._rows[position]]),
                    "report_value": None if np.isnan(report) else short(report),
                }
            )
        return found

    # -- saving ----------------------------------------------------------------

    def state(self) -> dict[str, np.ndarray]:
        """All of the ledger as arrays whose shapes depend on the budget only.

        Returns:
          ``genotypes`` int32 ``[budget, L]``, ``values`` and ``seconds``
          float32 ``[budget]`` (-1 and NaN beyond ``used``), ``counts`` int32
          ``[4]`` (used, invalid, unmeasured, foreign labels) and ``elapsed``
          float32 ``[]``.
        """
        length = self.table.space.genotype_length
        genotypes = np.full((self.budget, length), -1, np.int32)
        values = np.full(self.budget, np.nan, np.float32)
        seconds = np.full(self.budget, np.nan, np.float32)
        if self.used:
            genotypes[: self.used] = self._genotypes
            values[: self.used] = self._search[self._rows]
            seconds[: self.used] = self._seconds
        counts = (self.used, self.invalid, self.unmeasured, self.foreign_labels)
        return {
            "genotypes": genotypes,
            "values": values,
            "seconds": seconds,
            "counts": np.array(counts, np.int32),
            "elapsed": np.array(self.seconds, np.float32),
        }

    @classmethod
    def restore(
        cls,
        table: Table,
        task: Task,
        budget: int,
        state: Mapping[str, ArrayLike],
        *,
        clock: Callable[[], float] = time.perf_counter,
    ) -> QueryLedger:
        """The ledger that ``state`` was taken from.

        ``budget`` may differ from the saved one as long as it covers the
        queries that were made.

        Raises:
          UsageError: the budget is too small, or the state is of another
            table or task.
          DataError: the state is damaged.
        """
        ledger = cls(table, task, budget, clock=clock)
        arrays = {name: np.asarray(value) for name, value in state.items()}
        if missing := {"genotypes", "values", "seconds", "counts", "elapsed"} - arrays.keys():
            raise DataError(f"ledger: {', '.join(sorted(missing))} missing from its state")
        used, invalid, unmeasured, foreign = (int(count) for count in arrays["counts"])
        if not 0 <= used <= len(arrays["values"]) or min(invalid, unmeasured, foreign) < 0:
            raise DataError(f"ledger: counts: {arrays['counts'].tolist()} are impossible")
        if used > budget:
            raise UsageError(f"budget {budget}: {used} queries were made already")
        ledger.query(arrays["genotypes"][:used])
        kept = ledger._search[ledger._rows]
        if not np.array_equal(kept, arrays["values"][:used]):
            raise UsageError(
                f"ledger: its queries are not those of {task.search_column} in table {table.name}"
            )
        ledger.invalid, ledger.unmeasured, ledger.foreign_labels = invalid, unmeasured, foreign
        ledger._seconds = arrays["seconds"][:used].tolist()
        ledger._opened = clock() - float(arrays["elapsed"])
        return ledger

    def write_jsonl(self, path: str | os.PathLike) -> None:
        """Writes one JSON object a query, the whole file or nothing.

        Keys: ``order``, ``genotype``, ``architecture`` (the space's string),
        ``value`` (search metric, the table's sign) and ``seconds``.

        Raises:
          UserError: the file cannot be written; the message has path and reason.
        """
        path = pathlib.Path(path)
        draft = path.with_name(f".{path.name}.tmp")
        lines = [json.dumps(self._record(entry)) for entry in self.entries]
        try:
            with draft.open("w", encoding="utf-8") as file:
                file.writelines(f"{line}\n" for line in lines)
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, path)
        except OSError as error:
            with contextlib.suppress(OSError):
                draft.unlink()
            raise UserError(f"{path}: cannot write: {error.strerror or error}") from error

    def _record(self, entry: Entry) -> dict:
        """One line of ``write_jsonl``."""
        return {
            "order": entry.order,
            "genotype": entry.genotype.tolist(),
            "architecture": self.table.space.to_string(entry.genotype),
            "value": short(np.float32(entry.value)),
            "seconds": round(entry.seconds, 6),
        }

    # -- from genotypes to rows ----------------------------------------------------

    def _resolve(self, genotypes: ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Checked genotypes int32 ``[n, L]``, the row and the class of each.

        A row is ``_INVALID`` or ``_UNMEASURED`` where there is nothing to read.
        A genotype that is not in the table is read as an isomorphic one that is.
        """
        space = self.table.space
        array = np.asarray(genotypes)
        if array.size == 0:
            array = np.zeros((0, space.genotype_length), np.int32)
        if (
            array.ndim != 2
            or array.shape[1] != space.genotype_length
            or array.dtype.kind not in "iu"
        ):
            raise UsageError(
                f"{space.name}: genotypes are integers [n, {space.genotype_length}], "
                f"got shape {array.shape} of {array.dtype}"
            )
        # A copy: the caller's buffer may be written to again.
        array = array.astype(np.int32)
        rows = self.table.rows(array)
        valid = self.table.valid[rows]
        classes = self.table.classes[rows]
        if (absent := rows < 0).any():
            valid[absent], canonical = judge(space, array[absent])
            classes[absent] = self.table.class_rows(canonical)
            rows[absent] = classes[absent]
        rows = np.where((rows >= 0) & self._measured[rows], rows, _UNMEASURED)
        return array, np.where(valid, rows, _INVALID), classes


def short(value: np.float32) -> float:
    """A float32 as the shortest decimal number that means it."""
    return float(str(value))
