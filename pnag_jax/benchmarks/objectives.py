"""What a search for several objectives wants: directions, constraints, preference.

Objectives are written ``test_accuracy,latency_ms/pixel3``.  Each is a metric of
the task's data set, or ``<dataset>/<metric>`` of another one's; ``params`` and
``flops`` alone are computed by the space, known of every architecture and free.
The direction follows from the name (``tasks.higher_is_better``); ``+metric`` or
``metric:max`` and ``-metric`` or ``metric:min`` override it.

Constraints are written ``latency_ms/pixel3<=5,test_accuracy>=90``.

Letters: ``M`` objectives, ``K`` constraints, ``W = M + K`` columns, ``R`` rows of
the table.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import re
from typing import Any

import numpy as np

from pnag_jax.benchmarks.base import Table
from pnag_jax.benchmarks.tasks import full_name, higher_is_better, metrics_of, tells_quality
from pnag_jax.errors import UsageError

# Functions of every space that cost no query.
COSTS = ("params", "flops")
# The volume that many objectives dominate takes exponentially long to measure.
MOST = 6
_DIRECTIONS = {"max": True, "min": False, "+": True, "-": False}
_CONSTRAINT = re.compile(r"(?P<metric>[^<>=]+)(?P<sign><=|>=)(?P<bound>[^<>=]+)")


@dataclasses.dataclass(frozen=True)
class Metric:
    """A column of a table, or what a space computes.

    Attributes:
      name: as it was given, without its direction.
      column: full name in the table; None for a cost.
      cost: one of ``COSTS``; None for a column.
    """

    name: str
    column: str | None
    cost: str | None

    def values(self, table: Table) -> np.ndarray:
        """Of every row: float32 ``[R]``, NaN where not measured."""
        if self.column is not None:
            return table.column(self.column)
        return np.asarray(getattr(table.space, str(self.cost))(table.genotypes), np.float32)


@dataclasses.dataclass(frozen=True)
class Objective(Metric):
    """A metric to be maximized or minimized."""

    maximize: bool

    @property
    def sign(self) -> float:
        """What values are multiplied by, so that more is better."""
        return 1.0 if self.maximize else -1.0


@dataclasses.dataclass(frozen=True)
class Constraint(Metric):
    """A metric that is to be at most, or at least, ``bound``."""

    at_most: bool
    bound: float

    @property
    def sign(self) -> float:
        """Of the metric in the slack ``sign * (value - bound)``."""
        return -1.0 if self.at_most else 1.0

    def __str__(self) -> str:
        return f"{self.name}{'<=' if self.at_most else '>='}{self.bound:g}"


@dataclasses.dataclass(frozen=True)
class Goal:
    """Several objectives on one table, in the place of a ``Task``.

    Attributes:
      dataset: of the metrics that were given without one.
      objectives: ``M`` of them.
      constraints: ``K`` of them.
      preference: weights of the objectives, 1 in all; None for the whole front.
    """

    dataset: str
    objectives: tuple[Objective, ...]
    constraints: tuple[Constraint, ...] = ()
    preference: tuple[float, ...] | None = None

    # What a ledger asks of a task; a query is of all columns, named by one of them.
    maximize = maximize_report = True

    @property
    def name(self) -> str:
        """One line for people."""
        wanted = ",".join(f"{'+' if o.maximize else '-'}{o.name}" for o in self.objectives)
        limits = ",".join(str(constraint) for constraint in self.constraints)
        return f"{self.dataset}@{wanted}" + (f" with {limits}" if limits else "")

    @property
    def metrics(self) -> tuple[Objective | Constraint, ...]:
        """What a query answers, in order: ``W`` of them."""
        return (*self.objectives, *self.constraints)

    @property
    def qualities(self) -> tuple[int, ...]:
        """Positions of the metrics that are what architectures are for, the more the better."""
        return tuple(
            i
            for i, metric in enumerate(self.metrics)
            if metric.column is not None and metric.sign > 0 and tells_quality(metric.column)
        )

    @property
    def wants_quality(self) -> bool:
        """Whether there are any of those."""
        return bool(self.qualities)

    @property
    def search_column(self) -> str:
        """The first metric that is measured."""
        return next(metric.column for metric in self.metrics if metric.column is not None)

    report_column = search_column

    def told(self, table: Table) -> np.ndarray:
        """What methods are told of each row: float32 ``[R, W]``, more is better.

        Objectives with their signs, then the constraints' slacks.
        """
        return _told(self, table)


@functools.lru_cache(maxsize=16)
def _told(goal: Goal, table: Table) -> np.ndarray:
    columns = [objective.sign * objective.values(table) for objective in goal.objectives]
    columns += [limit.sign * (limit.values(table) - limit.bound) for limit in goal.constraints]
    told = np.stack(columns, axis=1).astype(np.float32)
    told.flags.writeable = False
    return told


def parse(
    table: Table,
    dataset: str,
    objectives: str,
    constraints: str | None = None,
    preference: str | None = None,
) -> Goal:
    """The goal that three flags describe.

    Args:
      table: must have every metric.
      dataset: of metrics without one.
      objectives: see the module's docstring.
      constraints: the same.
      preference: ``M`` positive numbers with commas.

    Raises:
      UsageError: fewer than two objectives, one twice, a metric that is not
        there, a malformed or unreachable constraint, or a preference of another
        length.
    """
    wanted = [_objective(table, dataset, text) for text in _items("objectives", objectives)]
    keys = [(one.column, one.cost) for one in wanted]
    for one, key in zip(wanted, keys, strict=True):
        if keys.count(key) > 1:
            raise UsageError(f"--objectives={objectives}: {one.name} is named twice")
    if not 2 <= len(wanted) <= MOST:
        raise UsageError(
            f"--objectives={objectives}: {len(wanted)} objective(s); accepted are 2 .. {MOST},"
            " with commas between them"
        )
    limits = [
        _constraint(table, dataset, text)
        for text in (_items("constraints", constraints) if constraints else ())
    ]
    if all(one.column is None for one in (*wanted, *limits)):
        raise UsageError(
            f"--objectives={objectives}: nothing is measured; name a metric beside the costs that"
            " the space computes"
        )
    goal = Goal(dataset, tuple(wanted), tuple(limits), _preference(preference, len(wanted)))
    _check_reachable(goal, table)
    return goal


def feasible(goal: Goal, table: Table) -> np.ndarray:
    """Rows that a query can read and that meet all constraints: bool ``[R]``."""
    return readable(goal, table) & (goal.told(table)[:, len(goal.objectives) :] >= 0).all(axis=1)


def readable(goal: Goal, table: Table) -> np.ndarray:
    """Rows that a query can read: bool ``[R]``."""
    return table.valid & table.looked_up & ~np.isnan(goal.told(table)).any(axis=1)


def _items(flag: str, text: str) -> list[str]:
    items = [item.strip() for item in text.split(",")]
    if not all(items):
        raise UsageError(f"--{flag}={text}: an entry is empty")
    return items


def _objective(table: Table, dataset: str, text: str) -> Objective:
    name, colon, suffix = text.partition(":")
    direction = suffix if colon else name[0] if name[0] in "+-" else None
    if (direction is not None and direction not in _DIRECTIONS) or (colon and name[0] in "+-"):
        raise UsageError(
            f"--objectives: {text!r}: accepted are METRIC, +METRIC or METRIC:max, -METRIC or"
            " METRIC:min"
        )
    metric = _metric(table, dataset, "objectives", name.lstrip("+-"))
    known = _DIRECTIONS.get(direction or "")
    maximize = higher_is_better(metric["column"] or metric["cost"]) if known is None else known
    return Objective(**metric, maximize=maximize)


def _constraint(table: Table, dataset: str, text: str) -> Constraint:
    found = _CONSTRAINT.fullmatch(text)
    bound = _number(found["bound"]) if found else None
    if found is None or bound is None:
        raise UsageError(
            f"--constraints: {text!r}: accepted are METRIC<=NUMBER and METRIC>=NUMBER, with commas"
            " between them"
        )
    metric = _metric(table, dataset, "constraints", found["metric"].strip())
    return Constraint(**metric, at_most=found["sign"] == "<=", bound=bound)


def _metric(table: Table, dataset: str, flag: str, name: str) -> dict[str, Any]:
    """The fields of the ``Metric`` of that name."""
    if name in COSTS:
        return {"name": name, "column": None, "cost": name}
    column = full_name(dataset, name)
    if column in table.metrics:
        return {"name": name, "column": column, "cost": None}
    group, _, metric = column.partition("/")
    if group not in table.datasets:
        accepted = f"has no data set {group!r}; accepted are {', '.join(table.datasets)}"
    else:
        known = ", ".join(metrics_of(table, group))
        others = "".join(f", {other}/..." for other in table.datasets if other != group)
        accepted = f"{group} has no metric {metric!r}; accepted are {known}{others}, params, flops"
    raise UsageError(f"--{flag}: {name!r}: table {table.name}: {accepted}")


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _preference(text: str | None, objectives: int) -> tuple[float, ...] | None:
    if text is None:
        return None
    numbers = [_number(item) for item in text.split(",")]
    weights = [number for number in numbers if number is not None and number > 0]
    if not len(weights) == len(numbers) == objectives:
        raise UsageError(
            f"--preference={text}: accepted are {objectives} positive numbers with commas, one an"
            " objective"
        )
    return tuple(weight / sum(weights) for weight in weights)


def _check_reachable(goal: Goal, table: Table) -> None:
    """Raises ``UsageError`` unless some row meets all constraints."""
    rows = readable(goal, table)
    if not rows.any():
        raise UsageError(
            f"--objectives: table {table.name} has no architecture that is measured in all of"
            f" {', '.join(metric.name for metric in goal.metrics)}"
        )
    for limit in goal.constraints:
        values = limit.values(table)[rows]
        if not (limit.sign * (values - limit.bound) >= 0).any():
            raise UsageError(
                f"--constraints: {limit} is out of reach: in table {table.name} {limit.name} runs"
                f" from {values.min():g} to {values.max():g}"
            )
    if not feasible(goal, table).any():
        limits = ", ".join(str(limit) for limit in goal.constraints)
        raise UsageError(
            f"--constraints: no architecture of table {table.name} meets all of {limits}"
        )
