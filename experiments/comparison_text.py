"""The results of a comparison as tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from experiments import searching
from experiments.text_table import align


def as_text(results: dict[str, Any]) -> str:
    """The tables for a terminal: one a task, methods in rows, budgets in columns."""
    by_task: dict[str, list[dict[str, Any]]] = {}
    for row in results["search"]:
        by_task.setdefault(row["task"], []).append(row)
    parts = [f"{results['space']}: {results['source']}"]
    for task, rows in by_task.items():
        first = rows[0]
        title = (
            f"{task}: {first['report_metric']}, selected by {first['search_metric']};"
            f" mean ± std of {first['seeds']} seeds; optimum {_number(first['optimum'])}"
        )
        head = ["method", *map(str, first["queries"]), "to optimum", "invalid", "s/seed"]
        parts += ["", title, align(head, [_cells(row) for row in rows])]
    parts += ["", "to optimum: median number of queries until the optimum is met"]
    if results["pretraining"]:
        names = searching.taking("generator", results["config"]["methods"])
        parts.append(pretraining_line(results["pretraining"], names))
    hinted = [row for row in results["search"] if row.get("hint")]
    if hinted:
        parts.append(_hint_line(hinted))
    environment = results["environment"]
    parts.append(f"on {environment['device_count']} x {environment['device_kind']}")
    return "\n".join(parts)


def _cells(row: dict[str, Any]) -> list[str]:
    outcomes = [
        f"{_number(mean)} ± {_number(std)}"
        for mean, std in zip(row["mean"], row["std"], strict=True)
    ]
    to_optimum = row["median_queries_to_optimum"]
    return [
        row["method"],
        *outcomes,
        # JSON has no infinity: null where most seeds never met it.
        "inf" if to_optimum is None else f"{to_optimum:g}",
        f"{row['invalid']:g}",
        f"{row['seconds_per_seed']:.3g}",
    ]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def pretraining_line(pretraining: dict[str, Any], names: Sequence[str]) -> str:
    return (
        f"pre-training of the generator ({', '.join(names)}): {pretraining['seconds']:.1f} s on"
        f" {pretraining['architectures']:,} architectures, {pretraining['labels']} labels"
    )


def _hint_line(rows: Sequence[dict[str, Any]]) -> str:
    """What searches began with; one score a run."""
    hint, names = rows[0]["hint"], dict.fromkeys(row["method"] for row in rows)
    return (
        f"hint of untrained networks ({', '.join(names)}): {hint['score']}, {hint['seconds']:.1f} s"
        f" on {hint['architectures']:,} architectures, {hint['labels']} labels"
    )


def outcome(row: dict[str, Any]) -> str:
    return (
        f"{_number(row['mean'][-1])} ± {_number(row['std'][-1])} after {row['budget']} queries,"
        f" {row['seconds_per_seed']:.3g} s a seed"
    )
