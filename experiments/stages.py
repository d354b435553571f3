"""The phases of one run: train, generate, search, each unless it is done."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
from ml_collections import ConfigDict

from experiments import (
    asking,
    conditional,
    fronts,
    generating,
    hinting,
    knowledge,
    outcome,
    phases,
    searching,
    spreading,
    stage1,
)
from experiments.command import say
from experiments.phases import Phase
from experiments.plan import Plan
from pnag_jax import spaces
from pnag_jax.benchmarks import Table, Task
from pnag_jax.benchmarks.objectives import Goal
from pnag_jax.errors import UsageError
from pnag_jax.generation import Generator
from pnag_jax.training import hosts
from pnag_jax.training.interrupts import Interrupt
from pnag_jax.training.progress import Progress
from pnag_jax.training.workdir import Workdir

_TRAININGS = ("training", "prior")


class Stages:
    """The phases of one run in their order."""

    def __init__(
        self,
        config: ConfigDict,
        folder: Workdir,
        plan: Plan,
        *,
        strict_resume: bool,
        profile: bool,
        interrupt: Interrupt,
    ):
        """Of a config and its plan, in a folder; the others as for ``pipeline.run``."""
        self._config = config
        self._folder = folder
        self._plan = plan
        self._wanted = plan.wanted
        self._strict = strict_resume
        self._profile = profile
        self._interrupt = interrupt
        self._generative = plan.generative(config)
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
        if not trained and self._wanted == ("search",) and isinstance(self._plan.task, Goal):
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
        if spreading.agreed(search, self._plan.table, self._plan.task):
            # All read a generator in the way that all train one.
            fits = self._config.train.batch_size % jax.device_count() == 0
            self._together = fits or not self._generative
        if "train" in self._wanted:
            # All processes train what is missing; what is finished, the leader reads alone.
            train_prior = self._plan.columns is not None and not told
            self._all_train, self._all_train_prior = not trained or train_prior, train_prior
            if self._all_train:
                self._trained  # noqa: B018
            self._done("training")
            if self._plan.columns is not None:
                if train_prior:
                    self._prior  # noqa: B018
                self._done("prior")
        if self._together and self._generative and not self._all_train:
            # What is trained already, all get from the leader.
            self._all_train = True
            self._trained  # noqa: B018
        if hosts.leads():
            self._generate(generate)
        if search is None or self._plan.table is None or self._plan.task is None:
            return
        if self._together or hosts.leads():
            if self._together or search.result is None:
                search.finish(self._search(self._plan.table, self._plan.task))
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
            if self._plan.columns is not None:
                if not asking.is_done(self._folder, self._config):
                    asking.run(self._config, self._prior, key=self._key_ask, folder=self._folder)
                self._done("conditional")

    def _open_prior(self, trained: bool) -> None:
        """Refuses another prior than that of the folder, or one that is not trained yet."""
        if self._plan.columns is None:
            return
        if not trained and "train" not in self._wanted:
            raise UsageError(
                f"--mode={self._wanted[0]}: {self._folder.path} holds no trained prior; run"
                " --mode=train --config.prior.enabled=true or --mode=all first"
            )
        conditional.open_phase(self._config, self._plan.columns, self._folder.path)

    def _generate_phase(self) -> Phase | None:
        if "generate" not in self._wanted:
            return None
        return Phase(self._folder.path, "generation", self._config.generation.to_dict())

    def _search_phase(self) -> Phase | None:
        if self._plan.table is None or self._plan.task is None:
            return None
        if isinstance(self._plan.task, Goal):
            inputs = {**self._config.objectives.to_dict(), "goal": self._plan.task.name}
            inputs["table"] = self._plan.table.name
            if self._plan.score is not None:
                inputs["hint"] = self._plan.score
            return Phase(self._folder.path, "front", inputs)
        inputs = {
            **self._config.search.to_dict(),
            "table": self._plan.table.name,
            "task": self._plan.task.name,
            "search_metric": self._plan.task.search_metric,
            "report_metric": self._plan.task.report_metric,
        }
        if self._plan.known is not None:
            inputs["meta"] = self._plan.known.meta
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
        assert self._plan.columns is not None
        generator, training = self._trained
        return conditional.train(
            self._config,
            self._plan.columns,
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
        return run(
            self._config,
            table,
            task,
            key=self._key_search,
            workdir_path=self._folder.path,
            given=self._given(table),
            interrupt=self._interrupt,
            progress=self._progress,
            strict_resume=self._strict,
            together=self._together,
        )

    def _given(self, table: Table) -> searching.Given:
        """What the searches begin with."""
        plan, path, start, scores = self._plan, self._folder.path, None, None
        if plan.known is not None:
            start = knowledge.start(
                self._config, plan.known, path, self._interrupt, together=self._together
            )
        if plan.score is not None:
            scores = hinting.score(
                plan.score, table.space, path, self._config.seed, together=self._together
            )
        generator = self._trained[0] if self._generative else None
        return searching.Given(generator, start, scores)

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
