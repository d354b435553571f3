"""Transfer: what was proposed for each task without a query, and from what labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pnag_jax.reports.curves import real
from pnag_jax.reports.markup import NOT_MEASURED, Html, count, join, number, section, share, tag
from pnag_jax.reports.sections.parts import Keep, Results, cell, code, drawing, table

_LEAD = (
    "Architectures proposed by a surrogate that was trained on other tasks. No measurement of the "
    "task is read before the proposals are fixed; the values are looked up afterwards."
)
_SHOWN = 10


def transfer(results: Results, keep: Keep) -> Html | None:
    """One table a task."""
    rows = results.get("transfer") or []
    if not rows:
        return None
    return section(
        "Transfer", *(_task(results, row, i, keep) for i, row in enumerate(rows, 1)), lead=_LEAD
    )


def _task(results: Results, row: Mapping[str, Any], place: int, keep: Keep) -> Html:
    proposals = row["proposals"]
    lines = [
        tag(
            "tr",
            cell(str(entry["rank"])),
            tag("td", code(entry)),
            cell(_value(entry.get("predicted"))),
            cell(_value(entry.get("report_value"))),
        )
        for entry in proposals[:_SHOWN]
    ]
    head = ["rank", "architecture", "predicted score", "value"]
    return join(
        [
            tag("h3", f"{row['task']}: {row.get('report_metric') or 'report metric'}"),
            drawing(results, proposals[0], keep, f"transfer_{place:02d}") if proposals else None,
            table(head, lines, class_="dense"),
            tag("p", _note(row), class_="note"),
        ]
    )


def _note(row: Mapping[str, Any]) -> str:
    meta = row.get("meta") or {}
    parts = [f"The optimum of the table is {_value(row.get('optimum'))}"]
    if row.get("first_rank_of_optimum") is not None:
        parts[0] += f", proposal number {count(row['first_rank_of_optimum'])}"
        parts[0] += f" of {count(row['candidates'])}" if row.get("candidates") else ""
    if meta:
        parts.append(
            f"Trained on {count(meta['labels'])} labels of {count(meta['tasks'])} other tasks"
            f" ({meta['name']}), none of this one"
        )
        if meta.get("hint"):
            parts.append(f"What they leave open, {meta['hint']} of untrained networks decides")
    held_out = meta.get("held_out")
    if held_out:
        parts.append(
            f"On {count(held_out['tasks'])} held-out tasks of that source"
            f" {share(held_out['coverage_90'])} of the labels lie in intervals of 90 %, and"
            f" {share(held_out['pair_accuracy'])} of the pairs of a task are in the right order"
        )
    seeds = row.get("seeds") or []
    if len(seeds) > 1:
        ranks = ", ".join(str(seed["first_rank_of_optimum"]) for seed in seeds)
        parts.append(f"Number of the optimum by seed: {ranks}")
    return ". ".join(parts) + "."


def _value(value: Any) -> str:
    return NOT_MEASURED if real(value) is None else number(value, 3)
