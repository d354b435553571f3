"""The run of one space: train, generate, search, report."""

from __future__ import annotations

import functools
import pathlib
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import jax
from absl import flags
from ml_collections import ConfigDict

import configs
from experiments import (
    asking,
    command,
    compiled,
    conditional,
    conditioning,
    distributed,
    fronts,
    generating,
    knowledge,
    outcome,
    phases,
    request,
    run_flags,
    searching,
    settings,
    spreading,
    stage1,
    transferring,
)
from experiments.command import say
from experiments.conditioning import Columns
from experiments.phases import Phase
from pnag_jax import benchmarks, methods, spaces
from pnag_jax.benchmarks import MissingTableError, Table, Task
from pnag_jax.benchmarks.objectives import Goal
from pnag_jax.errors import UsageError
from pnag_jax.generation import Generator
from pnag_jax.methods import several
from pnag_jax.training import hosts, interrupts
from pnag_jax.training.interrupts import Interrupt
from pnag_jax.training.progress import Progress
from pnag_jax.training.workdir import Workdir

# Groups that the phase which reads them fixes, when it begins.
# "mesh" changes where numbers are, not which.
_MAY_CHANGE = ("search", "generation", "objectives", "prior", "ask", "meta", "transfer", "mesh")

_TRAININGS = ("training", "prior")

# The flags belong to the program that calls ``main``: its --help shows them.
flags.disclaim_key_flags()


def main(space_name: str) -> NoReturn:
    """The program ``experiments.<space_name>``."""
    run_flags.define()
    program = sys.modules["__main__"]
    # What absl prints for --help.
    program.__doc__ = f"{program.__doc__ or ''}{run_flags.USAGE}"
    default = pathlib.Path(configs.__path__[0]) / f"{space_name}.py"
    command.run(functools.partial(_main, space_name), config=str(default))


def _main(space_name: str) -> None:
    compiled.use(flags.FLAGS.compilation_cache)
    distributed.join(flags.FLAGS)
    with hosts.together(), interrupts.watch() as interrupt:
        run(
            space_name,
            run_flags.config(),
            flags.FLAGS.workdir,
            mode=flags.FLAGS.mode,
            benchmark_dir=flags.FLAGS.benchmark_dir,
            strict_resume=flags.FLAGS.strict_resume,
            profile=flags.FLAGS.profile,
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
    profile: bool = False,
    interrupt: Interrupt | None = None,
) -> dict[str, Any]:
    """Does what is not done yet.

    Args:
      space_name: which space.
      config: from ``configs/<space>.py``.
      workdir: the folder of the run; the same one resumes.
      mode: one of ``run_flags.MODES``.  "generate" and "search" need a trained generator;
        each ends with a report of what there is.
      benchmark_dir: folder of tables.
      strict_resume: refuse a damaged newest checkpoint.
      profile: save a profiler's trace of a few steps of every training.
      interrupt: flag of a signal.

    Returns:
      What ``results.json`` holds; nothing on a process that does not lead.

    Raises:
      UsageError: a field, task or metric that is not accepted, or a folder of
        another run; nothing was begun.
      UserError, DataError, Interrupted: as ``stage1.train_generator``.
    """
    space = spaces.get(space_name)
    settings.check(config, space)
    environment = command.environment()
    program = f"experiments.{space_name}"
    distributed.require_same(program, mode, config.to_dict())
    wanted = run_flags.PARTS if mode == "all" else (mode,)
    # Before the training: a task that does not exist should not cost an hour.
    table, task = _task(space_name, config, benchmark_dir, wanted)
    columns = _columns(config, benchmark_dir, wanted)
    transfer = _plan(space_name, config, benchmark_dir) if wanted == ("transfer",) else None
    known = (
        knowledge.plan(config, settings.method_names(config), table, task, benchmark_dir)
        if table is not None and isinstance(task, Task)
        else None
    )
    with (
        distributed.folder(workdir) as path,
        Workdir(path, program=program, config=config.to_dict(), may_change=_MAY_CHANGE) as folder,
    ):
        interrupt = interrupt or Interrupt()
        if transfer is None:
            steps = _Run(
                config,
                folder,
                wanted,
                table,
                task,
                columns,
                known,
                strict_resume,
                profile,
                interrupt,
            )
            steps.do()
        elif hosts.leads():
            transferring.propose(config, transfer, folder.path, interrupt)
        if not hosts.leads():
            return {}
        return outcome.report(folder, space_name, config, environment)


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
        known: transferring.Plan | None,
        strict_resume: bool,
        profile: bool,
        interrupt: Interrupt,
    ):
        self._config = config
        self._folder = folder
        self._wanted = wanted
        self._table = table
        self._task = task
        self._columns = columns
        self._known = known
        self._strict = strict_resume
        self._profile = profile
        self._interrupt = interrupt
        self._all_train = self._all_train_prior = self._together = False
        self._progress = Progress(quiet=not hosts.leads())
        root = jax.random.key(config.seed)
        self._key_train, self._key_generate, self._key_search = jax.random.split(root, 3)
        self._key_prior, self._key_ask = jax.random.split(jax.random.fold_in(root, 3))

    def do(self) -> None:
        """Runs the wanted phases that are not finished."""
        # The leader alone knows what is finished.
        finished = [phases.result(self._folder, name) is not None for name in _TRAININGS]
        trained, told = (bool(x) for x in hosts.told(finished))
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
        self._open_prior(told)
        if spreading.agreed(search, self._table, self._task):
            # All read a generator in the way that all train one.
            fits = self._config.train.batch_size % jax.device_count() == 0
            self._together = fits or not self._generative
        if "train" in self._wanted:
            # All processes train what is missing; what is finished, the leader reads alone.
            train_prior = self._columns is not None and not told
            self._all_train, self._all_train_prior = not trained or train_prior, train_prior
            if self._all_train:
                self._trained  # noqa: B018
            self._done("training")
            if self._columns is not None:
                if train_prior:
                    self._prior  # noqa: B018
                self._done("prior")
        if self._together and self._generative and not self._all_train:
            # What is trained already, all get from the leader.
            self._all_train = True
            self._trained  # noqa: B018
        if hosts.leads():
            self._generate(generate)
        if search is None or self._table is None or self._task is None:
            return
        if self._together or hosts.leads():
            if self._together or search.result is None:
                search.finish(self._search(self._table, self._task))
            self._done(search.name)

    def _generate(self, generate: Phase | None) -> None:
        """Generates, and what the prior is asked for, unless that is done."""
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

    @functools.cached_property
    def _generative(self) -> bool:
        """Whether a method of the search takes a generator."""
        several_goals = isinstance(self._task, Goal)
        names = self._config["objectives" if several_goals else "search"].methods
        registry = several if several_goals else methods
        return bool(searching.taking("generator", settings.words(names), registry))

    def _open_prior(self, trained: bool) -> None:
        """Refuses another prior than that of the folder, or one that is not trained yet."""
        if self._columns is None:
            return
        if not trained and "train" not in self._wanted:
            raise UsageError(
                f"--mode={self._wanted[0]}: {self._folder.path} holds no trained prior; run"
                " --mode=train --config.prior.enabled=true or --mode=all first"
            )
        conditional.open_phase(self._config, self._columns, self._folder.path)

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
        if self._known is not None:
            inputs["meta"] = self._known.meta
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
            devices=jax.devices() if self._all_train else None,
            interrupt=self._interrupt,
            progress=self._progress,
            strict_resume=self._strict,
            profile=self._profile,
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
            devices=jax.devices() if self._all_train_prior else None,
            interrupt=self._interrupt,
            progress=self._progress,
            strict_resume=self._strict,
            profile=self._profile,
        )

    def _search(self, table: Table, task: Task | Goal) -> dict[str, Any]:
        say(f"search: {task.name} of {table.source}")
        run: Callable[..., dict[str, Any]] = fronts.run if isinstance(task, Goal) else searching.run
        if self._known is not None:
            start = knowledge.start(
                self._config,
                self._known,
                self._folder.path,
                self._interrupt,
                together=self._together,
            )
            run = functools.partial(run, start=start)
        return run(
            self._config,
            table,
            task,
            key=self._key_search,
            workdir_path=self._folder.path,
            generator=self._trained[0] if self._generative else None,
            interrupt=self._interrupt,
            progress=self._progress,
            strict_resume=self._strict,
            together=self._together,
        )

    def _done(self, name: str) -> None:
        """Says what a phase came to; the boundary at which a signal is heeded."""
        if not hosts.leads():
            return
        found = (
            asking.found(self._folder)
            if name == "conditional"
            else phases.result(self._folder, name)
        )
        say(f"{name}: {outcome.summary(name, found or {})}")
        self._interrupt.check(f"{name} is finished in {self._folder.path}")
