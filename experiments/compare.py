"""Compares search methods on the tasks of a table, with the same seeds and budget.

    python -m experiments.compare --benchmark=nb201 --benchmark_dir=DIR \\
        --tasks=cifar10@12ep,cifar100@12ep --methods=random,evolution,pnag_counts \\
        --budget=192 --seeds=20 --workdir=W

The same ``--workdir`` resumes, and takes up further tasks and methods.  Methods
that search with a generator share one, trained once in ``W/generator`` without
labels; its seconds are told on a line of their own.  Several processes
(``--distributed``) search as one, each with a part of the seeds.
"""

from __future__ import annotations

import functools
import importlib
import pathlib
import sys
from collections.abc import Sequence

from absl import flags
from ml_collections import ConfigDict, config_flags

import configs
from experiments import command, comparison, distributed, hinting, knowledge, searching
from experiments.comparison_plan import Plan
from experiments.comparison_text import as_text
from pnag_jax import benchmarks
from pnag_jax.benchmarks import Table
from pnag_jax.errors import UsageError
from pnag_jax.training import hosts, interrupts


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the program's flags."""
    config_flags.DEFINE_config_file(
        "config", None, "The generator's config; configs/<space>.py by default.", values
    )
    text = functools.partial(flags.DEFINE_string, flag_values=values)
    words = functools.partial(flags.DEFINE_list, flag_values=values)
    number = functools.partial(flags.DEFINE_integer, flag_values=values)
    text("benchmark", None, "A table's name, or an .npz file.", required=True)
    text("benchmark_dir", None, "Folder of tables; or PNAG_BENCHMARK_DIR.")
    words("tasks", None, "<dataset>@<protocol>,...; the table's first by default.")
    words("methods", None, "Names of methods; all that are installed by default.")
    number("budget", 192, "Queries a seed.")
    number("seeds", 20, "How many seeds.", lower_bound=1, upper_bound=10_000)
    number("seed", 0, "Of the whole run.", lower_bound=0, upper_bound=2**31 - 1)
    text("search_metric", None, "Replaces what the methods see on every task.")
    text("report_metric", None, "Replaces what is reported on every task.")
    text("meta", None, "What a search may begin with; sets config.meta.")
    text(
        "hint",
        hinting.AUTO,
        "What untrained networks tell methods that take it: a zero-cost score (proxies, flops,"
        " params), none, or auto: synflow where a space's networks compile as one.",
    )
    text("workdir", None, "Folder of the run; the same one resumes.", required=True)
    distributed.define(values)
    flags.DEFINE_bool(
        "strict_resume", False, "Refuse a damaged newest checkpoint.", flag_values=values
    )


def main(values: flags.FlagValues = flags.FLAGS) -> None:
    """Compares what the flags ask for, and prints the tables."""
    distributed.join(values)
    with hosts.together(), interrupts.watch() as interrupt:
        plan = make_plan(values)
        results = comparison.run(
            plan,
            values.workdir,
            strict_resume=values.strict_resume,
            interrupt=interrupt,
            arguments=["python", "-m", comparison.PROGRAM, *sys.argv[1:]],
        )
    if hosts.leads():
        sys.stdout.write(as_text(results) + "\n")


def make_plan(values: flags.FlagValues) -> Plan:
    """What the flags ask for.

    Raises:
      UsageError: an unknown benchmark, task or metric, or a name twice.
      DataError: the table is damaged.
    """
    table = benchmarks.load(values.benchmark, values.benchmark_dir)
    tasks = tuple(
        benchmarks.get_task(table, name, values.search_metric, values.report_metric)
        for name in _distinct("tasks", values.tasks, [benchmarks.default_task(table)])
    )
    # Two names may mean one task.
    _distinct("tasks", [task.name for task in tasks], [])
    names = searching.default_methods() if values.methods is None else values.methods
    chosen = tuple(_distinct("methods", names, []))
    config = _config(values.config, table, values.meta)
    known = {
        task.name: knowledge.plan(config, chosen, table, task, values.benchmark_dir)
        for task in tasks
        if config is not None
    }
    return Plan(
        table=table,
        tasks=tasks,
        methods=chosen,
        budget=values.budget,
        seeds=values.seeds,
        seed=values.seed,
        config=config,
        known={name: found for name, found in known.items() if found is not None},
        hint=values.hint,
    )


def _config(given: ConfigDict | None, table: Table, meta: str | None) -> ConfigDict | None:
    """The config of the flag, or the space's own where there is one."""
    if given is not None:
        found = given.copy_and_resolve_references()
    elif (pathlib.Path(configs.__path__[0]) / f"{table.space_name}.py").is_file():
        found = importlib.import_module(f"configs.{table.space_name}").get_config()
    elif meta is None:
        return None
    else:
        raise UsageError(
            f"--meta={meta}: space {table.space_name} has no config of its own: --config=FILE"
        )
    if meta is not None:
        found.meta = meta
    return found


def _distinct(flag: str, given: Sequence[str] | None, default: Sequence[str]) -> list[str]:
    names = list(default) if given is None else [name.strip() for name in given]
    if not names or "" in names or len(set(names)) < len(names):
        raise UsageError(f"--{flag}={','.join(names)}: accepted are one or more distinct names")
    return names


if __name__ == "__main__":
    define_flags()
    command.run(main)
