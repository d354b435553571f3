"""What a run is to do, settled before any of it is done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ml_collections import ConfigDict

from experiments import (
    conditioning,
    fronts,
    hinting,
    knowledge,
    request,
    run_flags,
    searching,
    settings,
    transferring,
)
from experiments.command import say
from experiments.conditioning import Columns
from pnag_jax import benchmarks, methods, spaces
from pnag_jax.benchmarks import MissingTableError, Table, Task
from pnag_jax.benchmarks.objectives import Goal
from pnag_jax.errors import UsageError
from pnag_jax.methods import several


class Plan(NamedTuple):
    """What a run is to do.

    Attributes:
      wanted: parts of ``run_flags.PARTS``, or "transfer" alone.
      table: what is searched, None where nothing is or can be.
      task: of ``table``, or the goal of several objectives.
      columns: what a prior is conditioned on, None where none is wanted now.
      known: labels of other tasks that a search begins with.
      score: of untrained networks, that a search begins with.
      transfer: what a transfer trains on and proposes for.
    """

    wanted: tuple[str, ...]
    table: Table | None
    task: Task | Goal | None
    columns: Columns | None
    known: transferring.Plan | None
    score: str | None
    transfer: transferring.Plan | None

    def generative(self, config: ConfigDict) -> bool:
        """Whether a method of the search takes a generator."""
        registry = several if isinstance(self.task, Goal) else methods
        names = settings.method_names(config, several=isinstance(self.task, Goal))
        return bool(searching.taking("generator", names, registry))


def settle(space_name: str, config: ConfigDict, mode: str, benchmark_dir: str | None) -> Plan:
    """Resolves what the config names, so that a task that does not exist costs no training.

    Args:
      space_name: which space.
      config: of the run.
      mode: one of ``run_flags.MODES``.
      benchmark_dir: folder of tables.

    Raises:
      UsageError: a task, metric, method or source that is not accepted.
      DataError: a damaged table.
    """
    wanted = run_flags.PARTS if mode == "all" else (mode,)
    table, task = _task(space_name, config, benchmark_dir, wanted)
    columns = _columns(config, benchmark_dir, wanted)
    transfer = _transfer(space_name, config, benchmark_dir) if mode == "transfer" else None
    known = score = None
    if table is not None and task is not None:
        names = settings.method_names(config, several=isinstance(task, Goal))
        score = hinting.plan(config.search.hint, table.space, names, task)
        if isinstance(task, Task):
            known = knowledge.plan(config, names, table, task, benchmark_dir)
    return Plan(wanted, table, task, columns, known, score, transfer)


def _task(
    space_name: str, config: ConfigDict, benchmark_dir: str | None, wanted: Sequence[str]
) -> tuple[Table | None, Task | Goal | None]:
    """The table and the task or goal, None where nothing is or can be searched."""
    if "search" not in wanted:
        return None, None
    try:
        table = benchmarks.load(space_name, benchmark_dir)
    except MissingTableError as error:
        if config.search.task or config.objectives.names or wanted == ("search",):
            raise
        say(f"nothing to search: {error}")
        return None, None
    _check_space(table, space_name, benchmark_dir)
    name = config.search.task or benchmarks.default_task(table)
    if config.objectives.names:
        return fronts.goal(config, table, name)
    task = benchmarks.get_task(
        table, name, config.search.search_metric, config.search.report_metric
    )
    most = benchmarks.queryable(table, task.search_column)
    if config.search.budget > most:
        raise UsageError(
            f"config.search.budget = {config.search.budget}; accepted are 1 .. {most}, the distinct"
            f" architectures with {task.search_column} in table {table.name}"
        )
    return table, task


def _columns(
    config: ConfigDict, benchmark_dir: str | None, wanted: Sequence[str]
) -> Columns | None:
    """What a prior is conditioned on, None where none is wanted now."""
    if not conditioning.wanted(config) or not {"train", "generate"} & set(wanted):
        return None
    columns = conditioning.resolve(config, spaces.get(config.space), benchmark_dir)
    request.check(config, columns)
    if columns.table is None:
        say(f"the prior: nothing to condition on but size: {columns.missing}")
    return columns


def _transfer(space_name: str, config: ConfigDict, benchmark_dir: str | None) -> transferring.Plan:
    """What a transfer trains on and proposes for."""
    table = benchmarks.load(space_name, benchmark_dir)
    _check_space(table, space_name, benchmark_dir)
    return transferring.plan(config, table, benchmark_dir)


def _check_space(table: Table, space_name: str, benchmark_dir: str | None) -> None:
    if table.space_name != space_name:
        raise UsageError(f"--benchmark_dir={benchmark_dir}: {table.source} is of another space")
