"""The plots of a report: plain numbers in, a figure out, no global state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import (
    FixedLocator,
    FuncFormatter,
    MaxNLocator,
    NullLocator,
    PercentFormatter,
)

from pnag_jax.reports import style
from pnag_jax.reports.curves import Panel, real, smooth

_WIDTH, _HEIGHT = 5.3, 3.4
_FIRST_QUERY = 8  # the first few are random in every method, and far below
_LOG_RATIO = 20.0


def training_curves(
    lines: Mapping[str, tuple[np.ndarray, np.ndarray]],
    *,
    title: str,
    y_label: str,
    share: bool = False,
) -> Figure:
    """Values over training steps: pale as logged, strong smoothed.

    Args:
      lines: name -> (steps ``[S]``, values ``[S]``).
      title: the figure's.
      y_label: the vertical axis's.
      share: whether values are shares of 1, to be shown in per cent.
    """
    axes = style.new_axes(_WIDTH, _HEIGHT, title, "training step", y_label)
    styles = style.line_styles(lines)
    for name, (steps, values) in lines.items():
        colour, dash = styles[name]
        smoothed = smooth(values)
        if smoothed is not values:
            axes.plot(steps, values, color=colour, alpha=0.28, linewidth=0.9)
        axes.plot(
            steps,
            smoothed,
            color=colour,
            linestyle=dash,
            linewidth=1.8,
            label=name,
            marker="o" if len(steps) < 25 else None,
            markersize=3.5,
        )
    everything = np.concatenate([values for _, values in lines.values()])
    if share:
        _percent_axis(axes, everything)
    elif everything.min() > 0 and everything.max() > _LOG_RATIO * everything.min():
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.margins(x=0.02)
    if len(lines) > 1:
        style.legend_below(axes)
    return _figure(axes)


def _percent_axis(axes: Any, values: np.ndarray) -> None:
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    low = values.min()
    axes.set_ylim(0.0 if low < 0.5 else max(0.0, 2 * low - 1) - 0.001, 1.02)


def scale_bars(
    scales: Sequence[int], values: np.ndarray, *, title: str, y_label: str, share: bool = False
) -> Figure:
    """One bar a scale, its value written on it.

    Args:
      scales: number of nodes at each scale, ``[T]``.
      values: ``[T]``; NaN leaves a gap.
      title: the figure's.
      y_label: the vertical axis's.
      share: whether to write the values in per cent.
    """
    axes = style.new_axes(_WIDTH, _HEIGHT, title, "nodes at this scale, coarse to fine", y_label)
    places = np.arange(len(values))
    bars = axes.bar(places, values, width=0.62, color=style.ACCENT, edgecolor="none")
    texts = [_share(v) if share else f"{v:.3g}" for v in values]
    axes.bar_label(bars, texts, padding=3, fontsize=style.LABEL_SIZE - 0.5, color=style.INK)
    axes.set_xticks(places, [str(s) for s in scales])
    axes.grid(visible=False, axis="x")
    axes.set_ylim(0, 1.14 * max(np.nanmax(values), 1e-12))
    if share:
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    return _figure(axes)


def search_curves(panel: Panel) -> Figure:
    """Report metric of the incumbent against queries: mean, band of one std.

    The horizontal axis is logarithmic, for what differs between methods
    happens early; the vertical one starts where the worst method stands after
    the first random queries.
    """
    axes = style.new_axes(
        _WIDTH, _HEIGHT + 0.24 * (-(-len(panel.curves) // 3)),
        panel.task or "search", "queries (log scale)", panel.report_metric,
    )  # fmt: skip
    last = max(int(curve.queries[-1]) for curve in panel.curves)
    first = min(_FIRST_QUERY, max(1, last // 4))
    styles = style.line_styles(curve.method for curve in panel.curves)
    opacity = 0.16 if len(panel.curves) <= 3 else 0.08
    low, high = np.inf, -np.inf
    for curve in panel.curves:
        colour, dash = styles[curve.method]
        shown = curve.queries >= first
        queries, mean = curve.queries[shown], curve.mean[shown]
        if curve.std is not None:
            std = np.nan_to_num(curve.std[shown])
            axes.fill_between(
                queries,
                mean - std,
                mean + std,
                facecolor=(colour, opacity),
                linewidth=0.6,
                edgecolor=(colour, 0.35),
                label=f"_band {curve.method}",
            )
        axes.plot(queries, mean, color=colour, linestyle=dash, linewidth=1.8, label=curve.method)
        marks = np.isin(queries, panel.budgets)
        axes.plot(
            queries[marks],
            mean[marks],
            linestyle="none",
            marker="o",
            markersize=3.6,
            color=colour,
            label=f"_marks {curve.method}",
        )
        low, high = min(low, np.nanmin(mean)), max(high, np.nanmax(mean))
    if panel.optimum is not None:
        high = max(high, panel.optimum)
        axes.axhline(
            panel.optimum,
            color=style.INK,
            linewidth=1.0,
            linestyle=(0, (5, 3)),
            label="optimum of the table",
            zorder=1,
        )
    margin = 0.06 * max(high - low, 1e-6 * max(abs(high), 1.0))
    axes.set_ylim(low - margin, high + 1.5 * margin)
    query_axis(axes, first, last, panel.budgets)
    style.legend_below(axes)
    return _figure(axes)


def query_axis(axes: Any, first: int, last: int, budgets: Sequence[int]) -> None:
    """A logarithmic axis of queries with ticks at the budgets that are far enough apart."""
    axes.set_xscale("log")
    axes.set_xlim(first * 0.97, last * 1.04)
    wanted = sorted({first, *(b for b in budgets if first <= b <= last), last})
    ticks = [wanted[-1]]
    for tick in reversed(wanted[:-1]):
        if tick * 1.22 < ticks[-1]:  # nearer ones would run into each other
            ticks.append(tick)
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f}"))


def generation_bars(generation: Mapping[str, Any]) -> Figure | None:
    """Validity, uniqueness and novelty beside those of uniform draws.

    Returns None where none of them was measured.
    """
    uniform = generation.get("uniform") or {}
    names = {
        "valid before repair": (generation.get("raw_validity"), None),
        "valid": (generation.get("validity"), uniform.get("validity")),
        "unique": (generation.get("uniqueness"), uniform.get("uniqueness")),
        "novel": (generation.get("novelty"), uniform.get("novelty")),
    }
    rows = {
        name: (real(ours), real(theirs))
        for name, (ours, theirs) in names.items()
        if real(ours) is not None or real(theirs) is not None
    }
    if not rows:
        return None
    axes = style.new_axes(_WIDTH, 0.9 + 0.62 * len(rows), "What was generated", "", "")
    has_uniform = any(theirs is not None for _, theirs in rows.values())
    for i, (ours, theirs) in enumerate(rows.values()):
        pair = [(ours, style.ACCENT), (theirs, style.BASELINE)]
        present = [(value, colour) for value, colour in pair if value is not None]
        for k, (value, colour) in enumerate(present):
            y = i + 0.34 * (k - (len(present) - 1) / 2)
            axes.barh(y, value, height=0.3, color=colour)
            axes.text(
                value + 0.012,
                y,
                _share(value),
                va="center",
                fontsize=style.LABEL_SIZE - 0.5,
                color=style.INK,
            )
    axes.set_yticks(range(len(rows)), list(rows))
    axes.invert_yaxis()
    axes.set_xlim(0, 1.14)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1.0])
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.grid(visible=False, axis="y")
    if has_uniform:
        axes.barh(0, 0, color=style.ACCENT, label="generated")
        axes.barh(0, 0, color=style.BASELINE, label="uniform draws")
        style.legend_below(axes)
    return _figure(axes)


def promise_curve(
    asked: np.ndarray, reached: np.ndarray, low: np.ndarray, high: np.ndarray, *, title: str
) -> Figure:
    """Reached against asked quantiles: means, a band, and the diagonal that is promised.

    Args:
      asked: ``[Q]`` quantiles.
      reached: ``[Q]``, the mean of the samples of each; NaN leaves a gap.
      low: ``[Q]``, 10 % of the samples are below; empty for no band.
      high: ``[Q]``, 10 % of them are above.
      title: the figure's.
    """
    axes = style.new_axes(_WIDTH, _HEIGHT, title, "asked quantile", "reached quantile")
    axes.plot(
        [0, 1], [0, 1], color=style.INK, linewidth=1.0, linestyle=(0, (5, 3)), label="promised"
    )
    if len(low) == len(high) == len(asked):
        axes.fill_between(
            asked, low, high, facecolor=(style.ACCENT, 0.16), linewidth=0, label="80 % of samples"
        )
    axes.plot(asked, reached, color=style.ACCENT, linewidth=1.8, marker="o", markersize=3.5,
              label="mean")  # fmt: skip
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    style.legend_below(axes)
    return _figure(axes)


def pareto_front(points: np.ndarray) -> np.ndarray:
    """Indices of the points with no other as cheap and as good: ``[P, 2] -> [K]``.

    The first column is a cost (less is better), the second a value (more is
    better); the indices ascend in cost.  Of equal points the first is kept.
    """
    kept: list[int] = []
    best = -np.inf
    for i in np.lexsort((-points[:, 1], points[:, 0])):
        if points[i, 1] > best:
            kept.append(int(i))
            best = points[i, 1]
    return np.array(kept, np.int64)


def pareto(
    points: np.ndarray,
    *,
    cost: str,
    value: str,
    unit: float = 1.0,
    lower_is_better: bool = False,
) -> Figure:
    """Points and the front of those that no other beats in both objectives.

    Args:
      points: ``[P, 2]`` of cost and value, by rank.
      cost: label of the horizontal axis (less is better).
      value: label of the vertical axis.
      unit: what the costs are divided by.
      lower_is_better: whether less is better in the values too.
    """
    axes = style.new_axes(_WIDTH, _HEIGHT, "Cost against quality", cost, value)
    x, y = points[:, 0] / unit, points[:, 1]
    front = pareto_front(points * np.array([1.0, -1.0 if lower_is_better else 1.0]))
    axes.step(
        x[front], y[front], where="post", color=style.ACCENT, linewidth=1.5, label="Pareto front"
    )
    axes.scatter(x, y, s=30, color=style.BASELINE, zorder=3, label="other architectures")
    axes.scatter(x[front], y[front], s=42, color=style.ACCENT, zorder=4)
    for rank, i in enumerate(front):
        below = rank + 1 < len(front)
        axes.annotate(
            f"#{i + 1}",
            (x[i], y[i]),
            xytext=(6, -11 if below else 5),
            textcoords="offset points",
            fontsize=style.LABEL_SIZE,
            color=style.INK,
        )
    axes.margins(0.1)
    axes.ticklabel_format(useOffset=False, style="plain")
    style.legend_below(axes)
    return _figure(axes)


def _share(value: float) -> str:
    return "" if np.isnan(value) else f"{100 * value:.1f} %"


def _figure(axes: Any) -> Figure:
    return axes.get_figure()
