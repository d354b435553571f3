"""Reads series out of plain results and metrics; nulls and NaN become gaps.

Everything that a plot or a table of a search needs is gathered here, so that
one space run and a comparison of many methods are drawn by the same code.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Curve:
    """One method on one task.

    Attributes:
      method: its name.
      queries: ascending numbers of queries, ``[Q]``.
      mean: of the report metric over seeds, ``[Q]``, NaN where missing.
      std: its standard deviation, ``[Q]``, or None where nothing was given.
    """

    method: str
    queries: np.ndarray
    mean: np.ndarray
    std: np.ndarray | None


@dataclasses.dataclass(frozen=True)
class Panel:
    """All methods on one task, and the rows of its table.

    Attributes:
      task: name of the task.
      report_metric: what the vertical axis shows.
      optimum: of the table, None where unknown.
      lower_is_better: whether the report metric is a cost: the optimum then
        lies below everything that was found.
      budgets: numbers of queries that the table has columns for.
      curves: one a method.
      rows: the rows of its table: those of the results, with ``method`` filled
        in, and one for each method that only has a curve.
    """

    task: str
    report_metric: str
    optimum: float | None
    lower_is_better: bool
    budgets: tuple[int, ...]
    curves: tuple[Curve, ...]
    rows: tuple[Mapping[str, Any], ...]


UNIFORM = "uniform draws"
THIS_RUN = "this run"


def real(value: object) -> float | None:
    """A finite number, or None for everything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        return None
    number = float(value)
    return number if math.isfinite(number) else None


def reals(values: object) -> np.ndarray:
    """A list of numbers as float64, NaN for what is none."""
    if not isinstance(values, (list, tuple, np.ndarray)):
        return np.zeros(0)
    found = (real(v) for v in values)
    return np.array([math.nan if v is None else v for v in found])


def series(metrics: Iterable[Mapping[str, Any]], key: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps and values of one key of ``metrics.jsonl``, by step, without gaps."""
    points: dict[float, float] = {}
    for row in metrics:
        step, value = real(row.get("step")), real(row.get(key))
        if step is not None and value is not None:
            points[step] = value
    steps = sorted(points)
    return np.array(steps), np.array([points[s] for s in steps])


def smooth(values: np.ndarray) -> np.ndarray:
    """Running mean over a 25th of the series, ``[S] -> [S]``.

    At the start, where curves are steep, the window stays centred and
    narrows; at the end it loses its right half only, to stay smooth.
    """
    half = len(values) // 50
    if half == 0:
        return values
    sums = np.concatenate([[0.0], np.cumsum(values)])
    centre = np.arange(len(values))
    left = np.minimum(half, centre)
    right = np.minimum(left, len(values) - 1 - centre)
    return (sums[centre + right + 1] - sums[centre - left]) / (left + right + 1)


def median_queries(row: Mapping[str, Any], key: str) -> object:
    """A row's median number of queries to some goal, ``inf`` where most never got there.

    JSON has no infinity, so the rows say null for it.  It is read as infinite
    only in a row that did search towards a known optimum.
    """
    searched = np.isfinite(reals(row.get("mean"))).any() and real(row.get("optimum")) is not None
    return math.inf if key in row and row[key] is None and searched else row.get(key)


def panels(search: object) -> list[Panel]:
    """One panel a task, in order of first appearance.

    Args:
      search: ``results["search"]``: one row, a list of rows, or None.
    """
    rows = [search] if isinstance(search, Mapping) else search
    if not isinstance(rows, Sequence):
        return []
    by_task: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_task.setdefault(str(row.get("task") or ""), []).append(row)
    return [_panel(task, rows) for task, rows in by_task.items()]


def _panel(task: str, rows: Sequence[Mapping[str, Any]]) -> Panel:
    curves: dict[str, Curve] = {}
    named = []
    for row in rows:
        own = _curves(row)
        method = str(row.get("method") or _method_of(row, own))
        if method not in own:
            lists = (reals(row.get(key)) for key in ("queries", "mean", "std"))
            _add(own, method, *lists)
        curves |= own
        named.append({**row, "method": method})
    if not any(name.startswith(("random", "uniform")) for name in curves):
        for row in rows:
            _add(curves, UNIFORM, reals(row.get("queries")), reals(row.get("uniform_mean")))
    budgets = sorted({int(q) for row in rows for q in reals(row.get("queries")) if q > 0})
    told = {row["method"] for row in named} | {UNIFORM}
    named += [_row(curve, budgets) for name, curve in curves.items() if name not in told]
    optima = (real(row.get("optimum")) for row in rows)
    optimum = next((optimum for optimum in optima if optimum is not None), None)
    lowest = min((float(np.nanmin(curve.mean)) for curve in curves.values()), default=-math.inf)
    highest = max((float(np.nanmax(curve.mean)) for curve in curves.values()), default=-math.inf)
    return Panel(
        task=task,
        report_metric=str(rows[0].get("report_metric") or "report metric"),
        optimum=optimum,
        lower_is_better=optimum is not None and optimum <= lowest and optimum < highest,
        budgets=tuple(budgets),
        curves=tuple(curves.values()),
        rows=tuple(named),
    )


def _curves(row: Mapping[str, Any]) -> dict[str, Curve]:
    """The curves that a row brings: one value a query, from the first on."""
    found: dict[str, Curve] = {}
    for method, curve in (row.get("curves") or {}).items():
        mean = reals(curve.get("mean"))
        _add(found, method, np.arange(1.0, len(mean) + 1), mean, reals(curve.get("std")))
    return found


def _method_of(row: Mapping[str, Any], curves: Mapping[str, Curve]) -> str:
    """Of an unnamed row: the curve that runs through its means."""
    queries, mean = reals(row.get("queries")), reals(row.get("mean"))
    for name, curve in curves.items():
        at = np.interp(queries, curve.queries, curve.mean) if len(queries) else queries
        if len(mean) and len(at) == len(mean) and np.allclose(at, mean, equal_nan=True):
            return name
    return THIS_RUN


def _row(curve: Curve, budgets: Sequence[int]) -> dict[str, Any]:
    """The row of a method that is known by its curve only."""
    at = np.isin(curve.queries, budgets)
    row = {"method": curve.method, "queries": curve.queries[at].tolist()}
    row["mean"] = curve.mean[at].tolist()
    row["std"] = None if curve.std is None else curve.std[at].tolist()
    return row


def _add(
    curves: dict[str, Curve],
    method: str,
    queries: np.ndarray,
    mean: np.ndarray,
    std: np.ndarray | None = None,
) -> None:
    """Keeps a curve that has a value; a band only with a deviation a value."""
    if len(queries) == len(mean) and np.isfinite(mean).any():
        has_band = std is not None and len(std) == len(mean) and bool(np.isfinite(std).any())
        curves[method] = Curve(method, queries, mean, std if has_band else None)
