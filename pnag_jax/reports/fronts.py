"""Plots of a search for several objectives: fronts, and shares against queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from pnag_jax.reports import plots, style
from pnag_jax.reports.curves import reals

_WIDTH, _HEIGHT = 5.3, 3.7
_LEGEND_ROW = 0.24
# A curve is drawn from where it has left the first random queries behind.
_FIRST_QUERY = 8
_LABELS = ("o", "s", "^", "D", "v")


def shares(front: Mapping[str, Any]) -> Figure:
    """Share of the true front's hypervolume against queries: mean, band of one std."""
    height = _HEIGHT + _LEGEND_ROW
    axes = style.new_axes(
        _WIDTH, height, "Hypervolume", "queries (log scale)", "share of the true front's"
    )
    last = int(front["budget"])
    first = min(_FIRST_QUERY, max(1, last // 4))
    low = 1.0
    styles = style.line_styles(front["curves"])
    for method, curve in front["curves"].items():
        colour, dash = styles[method]
        queries = np.arange(1, len(curve["mean"]) + 1)
        shown = queries >= first
        mean, std = reals(curve["mean"])[shown], np.nan_to_num(reals(curve["std"])[shown])
        queries = queries[shown]
        top = np.minimum(mean + std, 1.0)
        axes.fill_between(queries, mean - std, top, color=colour, alpha=0.14, linewidth=0)
        axes.plot(queries, mean, color=colour, linestyle=dash, linewidth=1.8, label=method)
        low = min(low, float(np.nanmin(mean)))
    goal = float(front["goal_share"])
    axes.axhline(
        goal, color=style.INK, linewidth=1.0, linestyle=(0, (5, 3)), label=f"{goal:.0%}", zorder=1
    )
    axes.set_ylim(low - 0.06 * (1 - low), 1.0 + 0.04 * (1 - low))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    budgets = sorted({int(q) for row in front["rows"] for q in row["queries"]})
    plots.query_axis(axes, first, last, budgets)
    style.legend_below(axes, columns=4)
    return axes.get_figure()  # type: ignore[return-value]


def staircase(points: np.ndarray, maximize: Sequence[bool]) -> np.ndarray:
    """Corners of the region that points dominate: ``[P, 2] -> [2 P' - 1, 2]``.

    Of the points only those that no other dominates in these two objectives.

    >>> staircase(np.array([[1.0, 1.0], [2.0, 3.0], [2.0, 1.0]]), (False, True)).tolist()
    [[1.0, 1.0], [2.0, 1.0], [2.0, 3.0]]
    """
    signs = np.array([1.0 if up else -1.0 for up in maximize])
    # Costs and values, as ``pareto_front`` wants them.
    kept = plots.pareto_front(np.stack([-signs[0] * points[:, 0], signs[1] * points[:, 1]], axis=1))
    front = points[kept]
    corners = np.repeat(front, 2, axis=0)[:-1]
    corners[1::2, 0] = front[1:, 0]
    return corners


def fronts(front: Mapping[str, Any], pair: tuple[int, int] = (1, 0)) -> Figure:
    """The fronts of the methods against the true one, in two of the objectives.

    Args:
      front: ``results["front"]``.
      pair: positions of the objectives on the horizontal and vertical axis.
    """
    named = front["objectives"]
    across, up = named[pair[0]], named[pair[1]]
    arrows = {"max": "more is better", "min": "less is better"}
    axes = style.new_axes(
        _WIDTH,
        _HEIGHT + _LEGEND_ROW,
        "Fronts",
        f"{across['name']} ({arrows[across['direction']]})",
        f"{up['name']} ({arrows[up['direction']]})",
    )
    flat = len(named) == 2
    maximize = [across["direction"] == "max", up["direction"] == "max"]
    queried = _points(front["queried"], pair)
    axes.scatter(queried[:, 0], queried[:, 1], s=7, color=style.RULE, label="queried", zorder=2)
    truth = _points(front["true_front"]["points"], pair)
    if flat:
        axes.plot(*staircase(truth, maximize).T, color=style.INK, linewidth=1.1, zorder=3)
    axes.scatter(truth[:, 0], truth[:, 1], s=9, color=style.INK, zorder=3, label="true front")
    styles = style.line_styles(front["fronts"])
    shown = [truth]
    for (method, found), mark in zip(front["fronts"].items(), _LABELS, strict=False):
        points = _points(found["points"], pair)
        if not len(points):
            continue
        colour, dash = styles[method]
        if flat:
            steps = staircase(points, maximize)
            axes.plot(*steps.T, color=colour, linestyle=dash, linewidth=1.3, zorder=4)
        axes.scatter(
            points[:, 0], points[:, 1], s=20, marker=mark, color=colour, label=method, zorder=5,
            alpha=0.9, edgecolors=style.PAPER, linewidths=0.4,
        )  # fmt: skip
        shown.append(points)
    _frame(axes, np.concatenate(shown))
    axes.ticklabel_format(useOffset=False, style="plain")
    style.legend_below(axes, columns=3)
    return axes.get_figure()  # type: ignore[return-value]


def _frame(axes: Any, points: np.ndarray) -> None:
    """Limits to the fronts: what was queried far behind them is left out."""
    low, high = points.min(axis=0), points.max(axis=0)
    margin = 0.05 * np.maximum(high - low, 1e-9)
    axes.set_xlim(low[0] - margin[0], high[0] + margin[0])
    axes.set_ylim(low[1] - margin[1], high[1] + margin[1])


def _points(rows: Sequence[Sequence[float]], pair: tuple[int, int]) -> np.ndarray:
    return np.array(rows, float).reshape(-1, max(len(rows[0]) if rows else 2, 2))[:, list(pair)]
