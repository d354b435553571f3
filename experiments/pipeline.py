"""The run of one space: train, generate, search, report."""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import jax
from absl import flags
from ml_collections import ConfigDict

import configs
from experiments import (
    asking,
    command,
    conditional,
    conditional_text,
    conditioning,
    fronts,
    generating,
    phases,
    request,
    searching,
    settings,
    stage1,
    transferring,
)
from experiments.command import say
from experiments.conditioning import Columns
from experiments.phases import Phase
from pnag_jax import benchmarks, reports, spaces
from pnag_jax.benchmarks import MissingTableError, Table, Task
from pnag_jax.benchmarks.objectives import Goal
from pnag_jax.errors import UsageError
from pnag_jax.generation import Generator
from pnag_jax.training import files, interrupts, metrics, parallel
from pnag_jax.training.interrupts import Interrupt
from pnag_jax.training.progress import Progress
from pnag_jax.training.workdir import Workdir

# What --mode=all does, and what is done alone.
_PARTS = ("train", "generate", "search", "report")
MODES = ("all", *_PARTS, "transfer")

# Groups that the phase which reads them fixes, when it begins.
_MAY_CHANGE = ("search", "generation", "objectives", "prior", "ask", "meta", "transfer")

# The flags belong to the program that calls ``main``: its --help shows them.
flags.disclaim_key_flags()


def main(space_name: str) -> NoReturn:
    """The program ``experiments.<space_name>``."""
    _define_flags()
    default = pathlib.Path(configs.__path__[0]) / f"{space_name}.py"
    command.run(functools.partial(_main, space_name), config=str(default))


def _define_flags() -> None:
    """All flags but --config."""
    flags.DEFINE_string("workdir", None, "Folder of the run; the same one resumes.", required=True)
    flags.DEFINE_enum("mode", "all", MODES, "Which part of the run.")
    flags.DEFINE_string("benchmark_dir", None, "Folder of tables; or PNAG_BENCHMARK_DIR.")
    flags.DEFINE_string("task", None, "<dataset>@<protocol>; sets config.search.task.")
    flags.DEFINE_string("search_metric", None, "Sets config.search.search_metric.")
    flags.DEFINE_string("report_metric", None, "Sets config.search.report_metric.")
    flags.DEFINE_string("objectives", None, "Several, with commas; sets config.objectives.names.")
    flags.DEFINE_string("constraints", None, "METRIC<=NUMBER,...; config.objectives.constraints.")
    flags.DEFINE_string("preference", None, "Weights; sets config.objectives.preference.")
    flags.DEFINE_integer("seed", None, "Sets config.seed.", lower_bound=0, upper_bound=2**31 - 1)
    flags.DEFINE_integer("count", None, "Sets config.generation.count.", lower_bound=1)
    flags.DEFINE_enum("strategy", None, parallel.STRATEGIES, "Sets config.train.strategy.")
    flags.DEFINE_bool("strict_resume", False, "Refuse a damaged newest checkpoint.")


def _config() -> ConfigDict:
    """The config with the flags that are short for one of its fields."""
    config = flags.FLAGS.config.copy_and_resolve_references()
    for name, field in (
        ("task", "search.task"),
        ("search_metric", "search.search_metric"),
        ("report_metric", "search.report_metric"),
        ("objectives", "objectives.names"),
        ("constraints", "objectives.constraints"),
        ("preference", "objectives.preference"),
        ("seed", "seed"),
        ("count", "generation.count"),
        ("strategy", "train.strategy"),
    ):
        if flags.FLAGS[name].value is not None:
            config.update_from_flattened_dict({field: flags.FLAGS[name].value})
    return config


def _main(space_name: str) -> None:
    with interrupts.watch() as interrupt:
        run(
            space_name,
            _config(),
            flags.FLAGS.workdir,
            mode=flags.FLAGS.mode,
            benchmark_dir=flags.FLAGS.benchmark_dir,
            strict_resume=flags.FLAGS.strict_resume,
            interrupt=interrupt,
        )


def run(
    space_name: str,
    config: ConfigDict,
    workdir: str,
    *,
    mode: str = "all",
    benchmark_dir: str | None = None,
    strict_resume: bool = False,
    interrupt: Interrupt | None = None,
) -> dict[str, Any]:
    """Does what is not done yet.

    Args:
      space_name: which space.
      config: from ``configs/<space>.py``.
      workdir: the folder of the run; the same one resumes.
      mode: one of ``MODES``.  "generate" and "search" need a trained generator;
        each ends with a report of what there is.
      benchmark_dir: folder of tables.
      strict_resume: refuse a damaged newest checkpoint.
      interrupt: flag of a signal.

    Returns:
      What ``results.json`` holds.

    Raises:
      UsageError: a field, task or metric that is not accepted, or a folder of
        another run; nothing was begun.
      UserError, DataError, Interrupted: as ``stage1.train_generator``.
    """
    space = spaces.get(space_name)
    settings.check(config, space)
    environment = command.environment()
    wanted = _PARTS if mode == "all" else (mode,)
    # Before the training: a task that does not exist should not cost an hour.
    table, task = _task(space_name, config, benchmark_dir, wanted)
    columns = _columns(config, benchmark_dir, wanted)
    transfer = _plan(space_name, config, benchmark_dir) if wanted == ("transfer",) else None
    with Workdir(
        workdir,
        program=f"experiments.{space_name}",
        config=config.to_dict(),
        may_change=_MAY_CHANGE,
    ) as folder:
        steps = _Run(
            config, folder, wanted, table, task, columns, strict_resume, interrupt or Interrupt()
        )
        if transfer is None:
            steps.do()
        else:
            steps.transfer(transfer)
        return _report(folder, space_name, config, environment)


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


def _plan(space_name: str, config: ConfigDict, benchmark_dir: str | None) -> transferring.Plan:
    """What a transfer trains on and proposes for."""
    table = benchmarks.load(space_name, benchmark_dir)
    _check_space(table, space_name, benchmark_dir)
    return transferring.plan(config, table, benchmark_dir)


def _check_space(table: Table, space_name: str, benchmark_dir: str | None) -> None:
    if table.space_name != space_name:
        raise UsageError(f"--benchmark_dir={benchmark_dir}: {table.source} is of another space")


class _Run:
    """The phases of one run in their order."""

    def __init__(
        self,
        config: ConfigDict,
        folder: Workdir,
        wanted: Sequence[str],
        table: Table | None,
        task: Task | Goal | None,
        columns: Columns | None,
        strict_resume: bool,
        interrupt: Interrupt,
    ):
        self._config = config
        self._folder = folder
        self._wanted = wanted
        self._table = table
        self._task = task
        self._columns = columns
        self._strict = strict_resume
        self._interrupt = interrupt
        self._progress = Progress()
        root = jax.random.key(config.seed)
        self._key_train, self._key_generate, self._key_search = jax.random.split(root, 3)
        self._key_prior, self._key_ask = jax.random.split(jax.random.fold_in(root, 3))

    def do(self) -> None:
        """Runs the wanted phases that are not finished."""
        trained = phases.result(self._folder, "training") is not None
        if not trained and self._wanted == ("search",) and isinstance(self._task, Goal):
            say(f"{self._folder.path} holds no trained generator: one is trained first")
            self._wanted = ("train", "search")
        if not trained and "train" not in self._wanted and self._wanted != ("report",):
            raise UsageError(
                f"--mode={self._wanted[0]}: {self._folder.path} holds no trained generator;"
                " run --mode=train or --mode=all first"
            )
        # Opened before any work, so that a refusal comes at once.
        generate, search = self._generate_phase(), self._search_phase()
        self._open_prior()
        if "train" in self._wanted:
            if not trained:
                self._trained  # noqa: B018
            self._done("training")
            if self._columns is not None:
                if phases.result(self._folder, "prior") is None:
                    self._prior  # noqa: B018
                self._done("prior")
        if generate is not None:
            if generate.result is None:
                generator, training = self._trained
                generate.finish(
                    generating.run(
                        self._config,
                        generator,
                        training.data.held_out,
                        key=self._key_generate,
                        workdir_path=self._folder.path,
                    )
                )
            self._done("generation")
            if self._columns is not None:
                if not asking.is_done(self._folder, self._config):
                    asking.run(self._config, self._prior, key=self._key_ask, folder=self._folder)
                self._done("conditional")
        if search is not None and self._table is not None and self._task is not None:
            if search.result is None:
                search.finish(self._search(self._table, self._task))
            self._done(search.name)

    def _open_prior(self) -> None:
        """Refuses another prior than that of the folder, or one that is not trained yet."""
        if self._columns is None:
            return
        if phases.result(self._folder, "prior") is None and "train" not in self._wanted:
            raise UsageError(
                f"--mode={self._wanted[0]}: {self._folder.path} holds no trained prior; run"
                " --mode=train --config.prior.enabled=true or --mode=all first"
            )
        conditional.open_phase(self._config, self._columns, self._folder.path)

    def transfer(self, plan: transferring.Plan) -> None:
        """Proposes without a query, unless that is done."""
        inputs = {
            **self._config.transfer.to_dict(),
            "seed": self._config.seed,
            "table": plan.table.name,
            "meta": plan.meta,
            "targets": list(plan.targets),
        }
        phase = Phase(self._folder.path, "transfer", inputs)
        if phase.result is None:
            key = jax.random.fold_in(jax.random.key(self._config.seed), 3)
            rows = transferring.run(self._config, plan, key=key, interrupt=self._interrupt)
            phase.finish({"transfer": rows})

    def _generate_phase(self) -> Phase | None:
        if "generate" not in self._wanted:
            return None
        return Phase(self._folder.path, "generation", self._config.generation.to_dict())

    def _search_phase(self) -> Phase | None:
        if self._table is None or self._task is None:
            return None
        if isinstance(self._task, Goal):
            inputs = {**self._config.objectives.to_dict(), "goal": self._task.name}
            return Phase(self._folder.path, "front", inputs | {"table": self._table.name})
        inputs = {
            **self._config.search.to_dict(),
            "table": self._table.name,
            "task": self._task.name,
            "search_metric": self._task.search_metric,
            "report_metric": self._task.report_metric,
        }
        return Phase(self._folder.path, "search", inputs)

    @functools.cached_property
    def _trained(self) -> tuple[Generator, stage1.Trained]:
        """Trains what is missing; restored and counted again otherwise."""
        return stage1.train_generator(
            self._config,
            spaces.get(self._config.space),
            workdir_path=self._folder.path,
            key=self._key_train,
            strategy=self._config.train.strategy,
            interrupt=self._interrupt,
            progress=self._progress,
            strict_resume=self._strict,
        )

    @functools.cached_property
    def _prior(self) -> conditional.Trained:
        """Trains what is missing; restored otherwise."""
        assert self._columns is not None
        generator, training = self._trained
        return conditional.train(
            self._config,
            self._columns,
            generator,
            training.data.held_out,
            workdir_path=self._folder.path,
            key=self._key_prior,
            interrupt=self._interrupt,
            progress=self._progress,
            strict_resume=self._strict,
        )

    def _search(self, table: Table, task: Task | Goal) -> dict[str, Any]:
        several = isinstance(task, Goal)
        module, group = (fronts, "objectives") if several else (searching, "search")
        generative = set(module.GENERATIVE) & set(settings.words(self._config[group].methods))
        say(f"search: {task.name} of {table.source}")
        run: Callable[..., dict[str, Any]] = module.run
        return run(
            self._config,
            table,
            task,
            key=self._key_search,
            workdir_path=self._folder.path,
            generator=self._trained[0] if generative else None,
            interrupt=self._interrupt,
            progress=self._progress,
            strict_resume=self._strict,
        )

    def _done(self, name: str) -> None:
        """Says what a phase came to; the boundary at which a signal is heeded."""
        found = (
            asking.found(self._folder)
            if name == "conditional"
            else phases.result(self._folder, name)
        )
        say(f"{name}: {_summary(name, found or {})}")
        self._interrupt.check(f"{name} is finished in {self._folder.path}")


def _summary(name: str, found: dict[str, Any]) -> str:
    """A finished phase in one line."""
    if name == "training":
        return (
            f"{found['steps']} steps in {found['seconds']:.0f} s, loss {found['loss']:.4g};"
            f" {found['reconstruction']:.2%} of {found['held_out']} held-out architectures come"
            f" back exactly; {found['codebook_use']:.0%} of the codes in use"
        )
    if name == "generation":
        return (
            f"{found['held_out_reconstruction']:.2%} of the held-out architectures come back;"
            f" {found['count']} architectures, {found['raw_validity']:.2%} valid before repair and"
            f" {found['validity']:.2%} after, {found['seconds_one'] * 1e3:.3f} ms for one,"
            f" {found['architectures_per_second']:,.0f} a second"
        )
    if name == "front":
        return fronts.outcome(found)
    if name in ("prior", "conditional"):
        return conditional_text.summary(name, found)
    row = found["search"]
    uniform = "" if row["uniform_mean"] is None else f", {row['uniform_mean'][-1]:.4g} by chance"
    return (
        f"{row['method']} finds {row['report_metric']} {row['mean'][-1]:.4g} on {row['task']} after"
        f" {row['budget']} queries (mean of {row['seeds']} seeds{uniform};"
        f" optimum {row['optimum']:.4g})"
    )


def _report(
    folder: Workdir, space_name: str, config: ConfigDict, environment: dict[str, Any]
) -> dict[str, Any]:
    """Writes ``report.html`` and ``results.json`` unless they are there already."""
    searched = phases.result(folder, "search") or {"search": None, "best": []}
    several = phases.result(folder, "front") or {}
    task = (searched["search"] or {}).get("task") or several.get("front", {}).get("goal")
    results = {
        "version": 1,
        "space": space_name,
        "task": task,
        "config": files.plain(config.to_dict()),
        "environment": environment,
        "training": phases.result(folder, "training"),
        "generation": phases.result(folder, "generation"),
        "prior": phases.result(folder, "prior"),
        "conditional": asking.found(folder),
        **searched,
        **several,
        **(phases.result(folder, "transfer") or {"transfer": None}),
    }
    page = folder.inside("report.html")
    found = folder.read_json("results.json")
    if found is not None and page.exists() and results == found | {"environment": environment}:
        say(f"nothing left to do: {page}")
        return found
    with files.writing(page):
        reports.write(folder.path, results, metrics.read(folder.inside(metrics.METRICS)))
    # Last: where it is, the page is its page.
    folder.write_json("results.json", results)
    say(f"report: {page}")
    return results
