"""Zero-query transfer: architectures proposed for a task from labels of others."""

from __future__ import annotations

import math
import os
import pathlib
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict

from experiments import hinting
from experiments.command import say
from experiments.phases import Phase
from pnag_jax import benchmarks
from pnag_jax.benchmarks import Table
from pnag_jax.benchmarks.loading import ENVIRONMENT
from pnag_jax.benchmarks.tasks import higher_is_better
from pnag_jax.benchmarks.triples import Triples, looks_like_triples, read_triples
from pnag_jax.errors import UsageError
from pnag_jax.methods import meta_tasks, transfer, transfer_evaluation
from pnag_jax.methods.meta_tasks import MetaTasks
from pnag_jax.methods.transferable import Transferable
from pnag_jax.training.interrupts import Interrupt

# What ``config.meta`` says for every other data set of the table.
OTHERS = "others"
# A target that no table has.
UNSEEN = "unseen"
# Intervals around predictions are judged on this share of the tasks of triples.
_HOLDOUT = 0.2


class Plan(NamedTuple):
    """What is trained on, and what is proposed for.

    Attributes:
      table: the truth.
      targets: report columns by data set.
      sources: the labels for each of ``targets``: of triples, or search columns.
      meta: as it was asked for.
    """

    table: Table
    targets: dict[str, str]
    sources: dict[str, Triples | dict[str, str]]
    meta: str


def plan(
    config: ConfigDict,
    table: Table,
    benchmark_dir: str | os.PathLike[str] | None,
    dataset: str | None = None,
) -> Plan:
    """Finds the labels and the targets; nothing is trained yet.

    Args:
      config: of a space.  ``config.meta`` names a file of triples, a data set of
        the table, or ``others``: every data set but the target.
      table: of the targets.
      benchmark_dir: where files of triples are looked for.
      dataset: the only target; that of ``config.search.task`` by default.

    Raises:
      UsageError: no such source, or no task is left to propose for.
      DataError: a damaged file.
    """
    columns = _columns(table)
    meta = config.meta or OTHERS
    if meta in columns:
        targets = {name: column for name, column in columns.items() if name != meta}
        sources: dict[str, Any] = {name: {meta: columns[meta]} for name in targets}
    elif meta == OTHERS:
        targets = columns if len(columns) > 1 else {}
        sources = {
            name: {other: column for other, column in columns.items() if other != name}
            for name in targets
        }
    else:
        targets = columns
        sources = dict.fromkeys(columns, _triples(meta, table, columns, benchmark_dir))
    chosen = dataset or (config.search.task or "").partition("@")[0]
    if chosen:
        targets = {name: column for name, column in targets.items() if name == chosen}
    if not targets:
        raise UsageError(
            f"config.meta = {meta!r}: table {table.name} has no {chosen or 'other'} data set to"
            f" propose for; it has {', '.join(columns) or 'none with a measure of quality'}"
        )
    return Plan(table, targets, {name: sources[name] for name in targets}, meta)


def for_unseen(
    config: ConfigDict, table: Table, benchmark_dir: str | os.PathLike[str] | None
) -> Plan:
    """As ``plan``, for one task of no table: there is no target, and no label is left out."""
    columns = _columns(table)
    meta = config.meta or OTHERS
    if not columns:
        raise UsageError(f"table {table.name} has no data set with a measure of quality")
    source: Triples | dict[str, str]
    if meta == OTHERS:
        source = columns
    elif meta in columns:
        source = {meta: columns[meta]}
    else:
        source = _triples(meta, table, columns, benchmark_dir)
    return Plan(table, {}, {UNSEEN: source}, meta)


def _columns(table: Table) -> dict[str, str]:
    """The report column of each data set that has a measure of quality."""
    found = {}
    for name in table.datasets:
        column = benchmarks.get_task(table, name).report_column
        if higher_is_better(column) and not np.isnan(table.column(column)).all():
            found[name] = column
    return found


def _triples(
    meta: str,
    table: Table,
    columns: Mapping[str, str],
    benchmark_dir: str | os.PathLike[str] | None,
) -> Triples:
    folder = pathlib.Path(benchmark_dir or os.environ.get(ENVIRONMENT) or ".")
    path = pathlib.Path(meta) if meta.endswith(".npz") else folder / f"{meta}.npz"
    if not looks_like_triples(path):
        raise UsageError(
            f"config.meta = {meta!r}: {path} is not a file of (task, architecture, score) triples;"
            f" accepted are {', '.join(columns)}, {OTHERS} and the name of such a file in"
            " --benchmark_dir"
        )
    return read_triples(path, space=table.space_name)


def propose(
    config: ConfigDict,
    plan: Plan,
    workdir_path: str | os.PathLike[str],
    interrupt: Interrupt | None = None,
) -> None:
    """The phase of a run that proposes without a query, unless it is done."""
    inputs = {
        **config.transfer.to_dict(),
        "seed": config.seed,
        "table": plan.table.name,
        "meta": plan.meta,
        "targets": list(plan.targets),
    }
    phase = Phase(workdir_path, "transfer", inputs)
    if phase.result is None:
        key = jax.random.fold_in(jax.random.key(config.seed), 3)
        found = run(
            config,
            plan,
            key=key,
            scores=hint(config, plan, workdir_path),
            interrupt=interrupt,
        )
        phase.finish({"transfer": found})


def hint(config: ConfigDict, plan: Plan, workdir_path: str | os.PathLike[str]) -> np.ndarray | None:
    """Zero-cost scores of the table's rows, None where none are wanted or to be had.

    Raises:
      UsageError: ``config.transfer.hint`` is not accepted.
    """
    name = hinting.resolve(config.transfer.hint, plan.table.space_name)
    if name is None:
        return None
    return hinting.score_table(name, plan.table, workdir_path, config.seed)


def run(
    config: ConfigDict,
    plan: Plan,
    *,
    key: jax.Array,
    scores: np.ndarray | None = None,
    interrupt: Interrupt | None = None,
) -> list[dict[str, Any]]:
    """Trains on the sources and proposes for every target; no target is queried.

    Args:
      config: of a space.
      plan: of its table.
      key: consumed.
      scores: from ``hint``.
      interrupt: flag of a signal.

    Returns:
      ``transfer`` of ``results.json``: one row a target.

    Raises:
      Interrupted: a signal came.
    """
    interrupt = interrupt or Interrupt()
    trained: dict[int, Any] = {}
    rows = []
    for name, column in plan.targets.items():
        interrupt.check("nothing of the transfer is saved")
        source = plan.sources[name]
        if id(source) not in trained:
            trained = {id(source): train(config, plan, source, key, interrupt)}
        members, tasks, held_out, seconds = trained[id(source)]
        found = [
            transfer_evaluation.against_table(
                one,
                plan.table,
                column,
                count=config.transfer.proposals,
                same_unit=isinstance(source, dict),
                hint=scores,
            )
            for one in members
        ]
        row = {
            "task": name,
            "report_metric": column,
            **found[0],
            "seeds": [
                {
                    "first_value": each["proposals"][0]["report_value"],
                    **{
                        field: each[field]
                        for field in ("first_rank_of_optimum", "percentile", "rank_correlation")
                    },
                }
                for each in found
            ],
            "meta": {
                "name": plan.meta,
                "source": tasks.source,
                "tasks": tasks.num_tasks,
                "labels": tasks.labels,
                "architectures": len(tasks.genotypes),
                "target_labels": 0,
                "hint": None
                if scores is None
                else hinting.resolve(config.transfer.hint, plan.table.space_name),
                "held_out": held_out,
            },
            "seconds": seconds,
        }
        say(f"transfer: {summary(row)}")
        rows.append(row)
    return rows


def train(
    config: ConfigDict,
    plan: Plan,
    source: Triples | dict[str, str],
    key: jax.Array,
    interrupt: Interrupt,
) -> tuple[list[Transferable], MetaTasks, dict[str, Any] | None, float]:
    """One surrogate a seed, their labels, the quality on held-out tasks, seconds of each.

    Args:
      config: of a space.
      plan: of the table that ``source`` may be a part of.
      source: one of ``plan.sources``.
      key: consumed.
      interrupt: flag of a signal.

    Raises:
      Interrupted: a signal came.
    """
    start = time.monotonic()
    tasks = (
        meta_tasks.from_triples(source)
        if isinstance(source, Triples)
        else meta_tasks.from_table(plan.table, source, seed=config.seed)
    )
    settings = config.transfer
    arguments = {
        field: settings[field]
        for field in (
            *("steps", "batch_size", "members", "width", "learning_rate", "weight_decay"),
            *("ranking", "drop", "selection"),
        )
    }

    def train_one(number: int, some: MetaTasks) -> Transferable:
        interrupt.check("nothing of the transfer is saved")
        return transfer.train(jax.random.fold_in(key, number), some, **arguments)

    trained = [train_one(number, tasks) for number in range(settings.seeds)]
    seconds = (time.monotonic() - start) / settings.seeds
    held_out = None
    if isinstance(source, Triples) and settings.evaluate:
        known, others = transfer_evaluation.split(tasks, _HOLDOUT, config.seed)
        arguments["selection"] = 0.0  # says nothing of the level of scores
        held_out = transfer_evaluation.held_out(train_one(settings.seeds, known), others)
    return trained, tasks, held_out, seconds


def summary(row: Mapping[str, Any]) -> str:
    """A target in one line."""
    first = row["proposals"][0]["report_value"]
    ranks = [seed["first_rank_of_optimum"] for seed in row["seeds"]]
    shown = f"{min(ranks)}" if min(ranks) == max(ranks) else f"{min(ranks)} to {max(ranks)}"
    digits = max(2, 3 - math.floor(math.log10(max(abs(first), 1e-6))) - 1)
    return (
        f"{row['task']} from {row['meta']['labels']:,} labels of {row['meta']['name']}: the first"
        f" proposal has {first:.{digits}f}, better than {1 - row['percentile']:.2%} of"
        f" {row['candidates']:,}; the optimum {row['optimum']:.{digits}f} is number {shown}"
    )
