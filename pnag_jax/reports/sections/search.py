"""Search: curves against queries, cost against quality, and a table a task."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from pnag_jax.reports import plots
from pnag_jax.reports.curves import UNIFORM, Panel, median_queries, real, reals
from pnag_jax.reports.markup import (
    NOT_MEASURED,
    Html,
    count,
    join,
    number,
    queries,
    section,
    tag,
)
from pnag_jax.reports.sections.parts import Keep, Results, cell, figure, table

_LEAD = (
    "Every distinct architecture whose measurement is read is one query. Methods see the search "
    "metric only; shown is the report metric of the architecture that is best by it so far."
)

# Further columns of a table, each only where some row has it.
_EXTRA: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "queries to optimum": lambda row: queries(median_queries(row, "median_queries_to_optimum")),
    "to best search value": lambda row: queries(
        median_queries(row, "median_queries_to_best_search")
    ),
    "invalid a seed": lambda row: queries(row.get("invalid")),
    "foreign labels": lambda row: queries(row.get("foreign_labels")),
    "seconds a seed": lambda row: number(row.get("seconds_per_seed")),
}


def search(results: Results, panels: Sequence[Panel], keep: Keep) -> Html | None:
    """Curves of every task, then one table a task."""
    if not panels:
        return None
    shown = []
    for i, panel in enumerate(panels, start=1):
        if panel.curves:
            stem = "search" if len(panels) == 1 else f"search_{i:02d}"
            alt = f"{panel.report_metric} against queries on {panel.task or 'the task'}"
            image = keep(stem, plots.search_curves(panel), alt)
            shown.append(figure(image, _caption(panel)))
    trade_off = _trade_off(results.get("best") or [], panels[0], keep)
    if trade_off is not None:
        shown.append(trade_off)
    tables = [_table(panel) for panel in panels if panel.budgets]
    grid = tag("div", *shown, class_="plots") if shown else None
    return section("Search", grid, *tables, lead=_LEAD)


def _caption(panel: Panel) -> str:
    row = panel.rows[0]
    parts = []
    if row.get("search_metric"):
        parts.append(f"Selected by {row['search_metric']}.")
    if any(curve.std is not None for curve in panel.curves):
        over = f" over {count(row['seeds'])} seeds" if row.get("seeds") else ""
        parts.append(f"Lines: mean{over}. Bands: one standard deviation to either side.")
    return " ".join(parts)


def _trade_off(entries: Sequence[Mapping[str, Any]], panel: Panel, keep: Keep) -> Html | None:
    """Parameters against value of the best, where three or more costs differ."""
    pairs = [(real(e.get("params")), real(e.get("report_value"))) for e in entries]
    points = np.array([p for p in pairs if None not in p], float).reshape(-1, 2)
    if len(points) != len(entries) or len(np.unique(points[:, 0])) < 3:
        return None
    largest = points[:, 0].max()
    unit, name = next(
        (unit, name)
        for unit, name in (
            (1e6, "million parameters"),
            (1e3, "thousand parameters"),
            (1.0, "parameters"),
        )
        if largest >= unit or unit == 1.0
    )
    picture = plots.pareto(
        points, cost=name, value="report value", unit=unit, lower_is_better=panel.lower_is_better
    )
    image = keep("pareto", picture, "Parameters against report value of the best architectures")
    caption = (
        "The best architectures, by rank: none is both smaller and better than one on the front."
    )
    return figure(image, caption)


def _table(panel: Panel) -> Html:
    means = [_by_budget(row, "mean") for row in panel.rows]
    digits = _digits(means)
    best = min if panel.lower_is_better else max
    tops = {b: best((m[b] for m in means if b in m), default=None) for b in panel.budgets}
    extra = [
        (heading, cells)
        for heading, read in _EXTRA.items()
        if set(cells := [read(row) for row in panel.rows]) != {NOT_MEASURED}
    ]
    lines = []
    for i, (row, mean) in enumerate(zip(panel.rows, means, strict=True)):
        cells = [tag("td", row["method"])]
        for budget in panel.budgets:
            # Those that read the same lead together.
            top = _plain(tops[budget], digits)
            leads = len(panel.rows) > 1 and budget in mean and _plain(mean[budget], digits) == top
            shown = _outcome(row, budget, digits)
            cells.append(tag("td", shown, class_="lead-value" if leads else None))
        lines.append(tag("tr", *cells, *(cell(column[i]) for _, column in extra)))
    uniform = next((u for row in panel.rows if (u := _by_budget(row, "uniform_mean"))), None)
    # Where random search has a row of its own, that is it.
    if uniform and "random" not in {row["method"] for row in panel.rows}:
        cells = [tag("td", UNIFORM)]
        cells += [cell(_plain(uniform.get(budget), digits)) for budget in panel.budgets]
        lines.append(tag("tr", *cells, *(tag("td") for _ in extra)))

    head = ["method", *(f"{budget} queries" for budget in panel.budgets)]
    title = f"{panel.task}: {panel.report_metric}" if panel.task else panel.report_metric
    return join(
        [
            tag("h3", title),
            table([*head, *(heading for heading, _ in extra)], lines, class_="dense"),
            tag("p", _note(panel), class_="note"),
        ]
    )


def _note(panel: Panel) -> str:
    note = "Mean ± standard deviation over seeds."
    if any(_by_budget(row, "regret") for row in panel.rows):
        note += " Regret: mean distance from the optimum."
    if panel.lower_is_better:
        note += " Less is better."
    if panel.optimum is not None:
        note += f" The optimum of the table is {number(panel.optimum, 3)}."
    return note


def _by_budget(row: Mapping[str, Any], key: str) -> dict[int, float]:
    """Finite values of a list beside ``queries``, by budget."""
    pairs = zip(reals(row.get("queries")), reals(row.get(key)), strict=False)
    return {int(q): float(v) for q, v in pairs if math.isfinite(q) and math.isfinite(v)}


def _digits(means: Sequence[Mapping[int, float]]) -> int:
    """Decimals that show four digits of the largest mean, two at least."""
    largest = max((abs(v) for mean in means for v in mean.values()), default=0.0)
    return 2 if largest == 0 else min(6, max(2, 3 - math.floor(math.log10(largest))))


def _plain(value: float | None, digits: int) -> str:
    return NOT_MEASURED if value is None else f"{value:,.{digits}f}"


def _outcome(row: Mapping[str, Any], budget: int, digits: int) -> Html:
    """Mean and deviation at a budget; median and regret under them."""
    mean = _by_budget(row, "mean").get(budget)
    if mean is None:
        return tag("span", NOT_MEASURED, class_="absent")
    found = {key: _by_budget(row, key).get(budget) for key in ("std", "median", "regret")}
    more = [
        f"{key} {_plain(found[key], digits)}"
        for key in ("median", "regret")
        if found[key] is not None
    ]
    spread = f" ± {_plain(found['std'], digits)}" if found["std"] is not None else None
    return join(
        [
            _plain(mean, digits),
            tag("span", spread, class_="dev") if spread else None,
            *(tag("span", line, class_="more") for line in more),
        ]
    )
