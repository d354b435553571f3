"""A search of a table for several objectives, with checkpoints."""

from __future__ import annotations

import os
import pathlib
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from experiments import searching, settings
from experiments.searching import Given, run_resumable
from pnag_jax import benchmarks, spaces
from pnag_jax.benchmarks import Table, joined, objectives
from pnag_jax.benchmarks.objectives import Goal
from pnag_jax.benchmarks.several import MARGIN, SeveralLedger
from pnag_jax.errors import UsageError
from pnag_jax.methods import several
from pnag_jax.methods.several.base import Known
from pnag_jax.methods.several.results import GOAL_SHARE, FrontResult
from pnag_jax.objectives import scalarization
from pnag_jax.spaces import Space
from pnag_jax.training.interrupts import Interrupt
from pnag_jax.training.progress import Progress

# Points of a front that are kept for the plots.
_MOST_POINTS = 500


def method_config(method: several.Method, goal: Goal, given: Given, space: Space) -> dict[str, Any]:
    """What a method's config needs beside its defaults, for a search of ``space``."""
    offsets = [0.0] * len(goal.objectives) + [limit.bound for limit in goal.constraints]
    known = tuple(
        Known(metric.cost, metric.sign, -metric.sign * offset) if metric.cost else None
        for metric, offset in zip(goal.metrics, offsets, strict=True)
    )
    problem = {
        "objectives": len(goal.objectives),
        "constraints": len(goal.constraints),
        "preference": goal.preference,
        "known": known,
        "qualities": goal.qualities,
    }
    return problem | searching.method_config(method, given, spaces.folded(space))


def goal(config: ConfigDict, table: Table, task: str) -> tuple[Table, Goal]:
    """What the config asks of a table; the table has all columns that it names.

    Args:
      config: of the run.
      table: the space's.
      task: ``<dataset>@<protocol>``: metrics without a data set are of that one.

    Raises:
      UsageError: see ``objectives.parse``; or a budget that is not accepted.
    """
    wanted = config.objectives
    table = joined.widened(table, wanted.names, wanted.constraints)
    dataset = benchmarks.get_task(table, task).dataset
    found = objectives.parse(table, dataset, wanted.names, wanted.constraints, wanted.preference)
    most = SeveralLedger.most(table, found)
    if wanted.budget > most:
        raise UsageError(
            f"config.objectives.budget = {wanted.budget}; accepted are 1 .. {most}, the"
            f" architectures of table {table.name} that are measured in all objectives"
        )
    return table, found


def outcome(found: dict[str, Any]) -> str:
    """The search in one line."""
    front = found["front"]
    shares = ", ".join(f"{row['method']} {row['mean'][-1]:.2%}" for row in front["rows"])
    return (
        f"{front['goal']}: of the true front's hypervolume after {front['budget']} queries (mean of"
        f" {front['seeds']} seeds): {shares}"
    )


def run(
    config: ConfigDict,
    table: Table,
    goal: Goal,
    *,
    key: jax.Array,
    workdir_path: str | os.PathLike[str],
    given: Given,
    interrupt: Interrupt | None = None,
    progress: Progress | None = None,
    strict_resume: bool = False,
    together: bool = False,
) -> dict[str, Any]:
    """All methods of ``config.objectives`` on one goal; every method has the same seeds.

    Writes ``ledger.jsonl``, the queries of seed 0 of the first method.

    Returns:
      ``front`` of ``results.json``.

    Raises:
      As ``searching.run_method``.
    """
    folder = pathlib.Path(workdir_path)
    found = {
        name: FrontResult(
            run_resumable(
                several.get(name),
                table,
                goal,
                budget=config.objectives.budget,
                seeds=config.objectives.seeds,
                key=key,
                folder=folder / "checkpoints" / f"front-{name}",
                config=method_config(several.get(name), goal, given, table.space),
                ledger=SeveralLedger,
                save_every=config.objectives.save_every,
                interrupt=interrupt,
                progress=progress,
                label=f"front {name}",
                strict_resume=strict_resume,
                together=together,
            )
        )
        for name in settings.method_names(config, several=True)
    }
    main, *_ = found.values()
    main.ledgers[0].write_jsonl(folder / "ledger.jsonl")
    return {"front": _summary(table, goal, found, given)}


def _summary(
    table: Table, goal: Goal, found: dict[str, FrontResult], given: Given
) -> dict[str, Any]:
    main, *_ = found.values()
    truth, count = main.truth, len(goal.objectives)
    signs = np.array([objective.sign for objective in goal.objectives])
    return {
        "goal": goal.name,
        "dataset": goal.dataset,
        "source": table.source,
        "objectives": [
            {
                "name": one.name,
                "direction": "max" if one.maximize else "min",
                "free": not one.column,
            }
            for one in goal.objectives
        ],
        "constraints": [str(limit) for limit in goal.constraints],
        "preference": goal.preference,
        "budget": main.search.budget,
        "seeds": len(main.search.seeds),
        "goal_share": GOAL_SHARE,
        "rows": [
            result.summary() | {"hint": searching.hint_told(given, name, several)}
            for name, result in found.items()
        ],
        "curves": {name: result.band() for name, result in found.items()},
        "true_front": {
            "size": len(truth.rows),
            "ideal": (signs * truth.ideal).tolist(),
            "nadir": (signs * truth.nadir).tolist(),
            "reference": (signs * (truth.nadir - MARGIN * truth.span)).tolist(),
            "hypervolume": truth.volume,
            "points": (signs * truth.values)[:_MOST_POINTS].tolist(),
        },
        "fronts": {name: _points(result, signs, count) for name, result in found.items()},
        "queried": (signs * main.ledgers[main.typical].told()[:, :count]).tolist(),
        "best": _members(main, signs, count),
    }


def _points(result: FrontResult, signs: np.ndarray, count: int) -> dict[str, Any]:
    """The front of the seed in the middle, in the table's units."""
    seed = result.typical
    told = result.ledgers[seed].told()[result.front(seed), :count]
    return {
        "seed": result.search.seeds[seed],
        "share": float(result.curves[seed, -1]),
        "points": (signs * told).tolist()[:_MOST_POINTS],
    }


def _members(result: FrontResult, signs: np.ndarray, count: int) -> list[dict[str, Any]]:
    """The architectures of that front, the preferred one first where there is a preference."""
    ledger = result.ledgers[result.typical]
    rows = result.front(result.typical)
    told, goal, entries = ledger.told()[rows, :count], ledger.goal, ledger.entries
    order = np.arange(len(rows))
    if goal.preference is not None and len(rows):
        span = np.maximum(np.ptp(told, axis=0), 1e-12)
        scaled = (told - told.min(axis=0)) / span
        liking = scalarization.chebyshev(scaled, np.ones(count), np.array(goal.preference))
        order = np.argsort(-np.asarray(liking), kind="stable")
    space = ledger.table.space
    members = []
    for i in order.tolist():
        genotype = entries[rows[i]].genotype
        values = (signs * told[i]).tolist()
        members.append(
            {
                "architecture": space.to_string(genotype),
                "genotype": genotype.tolist(),
                "values": dict(zip((o.name for o in goal.objectives), values, strict=True)),
                "params": float(space.params(genotype)),
                "flops": float(space.flops(genotype)),
            }
        )
    return members
