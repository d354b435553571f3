"""All methods on all tasks: every search once, kept, and put together."""

from __future__ import annotations

import functools
import json
import os
import re
import time
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

import pnag_jax
from experiments import command, distributed, hinting, knowledge, phases, searching, stage1
from experiments.command import say
from experiments.comparison_plan import GENERATOR, Plan
from experiments.comparison_text import outcome, pretraining_line
from experiments.phases import Phase
from pnag_jax.benchmarks import Task
from pnag_jax.generation import Generator
from pnag_jax.methods.results import SearchResult
from pnag_jax.training import files, hosts, metrics
from pnag_jax.training.interrupts import Interrupt
from pnag_jax.training.progress import Progress
from pnag_jax.training.workdir import Workdir

PROGRAM = "experiments.compare"

_PRETRAINING = "pretraining"
_BEST = 10
# Proposals a seed between two saves; a search takes seconds to minutes.
_SAVE_EVERY = 64


def run(
    plan: Plan,
    workdir: str | os.PathLike[str],
    *,
    strict_resume: bool = False,
    interrupt: Interrupt | None = None,
    arguments: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Runs every search that is not finished, and reports on all.

    Args:
      plan: what is compared.
      workdir: the folder of the run; the same one resumes.
      strict_resume: refuse a damaged newest checkpoint.
      interrupt: flag of a signal.
      arguments: the command, for the report.

    Returns:
      What ``results.json`` holds; nothing on a process that does not lead.

    Raises:
      UsageError: the plan is not accepted, or the folder is of another run.
      UserError: the system refuses a write.
      DataError: damaged checkpoints or results.
      Interrupted: a signal came; the work so far is saved.
    """
    plan.check()
    environment = command.environment()
    # Which tasks and methods is free: each search is kept on its own.
    free = ("tasks", "methods", "meta", "hint", GENERATOR)
    inputs = [plan.inputs(task, name) for task in plan.tasks for name in plan.methods]
    distributed.require_same(PROGRAM, "", {**plan.fields(), "searches": inputs})
    with (
        distributed.folder(os.fspath(workdir)) as path,
        Workdir(path, program=PROGRAM, config=plan.fields(), may_change=free) as folder,
    ):
        return _Run(plan, folder, strict_resume, interrupt or Interrupt()).do(
            environment, list(arguments or ())
        )


class _Run:
    """The searches of one run in their order."""

    def __init__(self, plan: Plan, folder: Workdir, strict_resume: bool, interrupt: Interrupt):
        self._plan = plan
        self._folder = folder
        self._strict = strict_resume
        self._interrupt = interrupt
        self._progress = Progress(quiet=not hosts.leads())
        self._key_generator, self._key_search = jax.random.split(jax.random.key(plan.seed))

    def do(self, environment: dict[str, Any], arguments: list[str]) -> dict[str, Any]:
        """Searches and reports; returns the results."""
        pairs = [(task, name) for task in self._plan.tasks for name in self._plan.methods]
        found = [self._search(task, name) for task, name in pairs]
        if not hosts.leads():
            return {}
        pretraining = phases.result(self._folder, _PRETRAINING) if self._plan.generative else None
        rows = [_joined(one["row"], found, pretraining) for one in found]
        results = {
            "version": 1,
            "space": self._plan.table.space_name,
            "task": self._plan.tasks[0].name if len(self._plan.tasks) == 1 else None,
            "config": files.plain(self._plan.fields()),
            "command": arguments,
            "environment": environment,
            "source": self._plan.table.source,
            "training": pretraining["training"] if pretraining else None,
            "pretraining": _without(pretraining, "training"),
            "generation": None,
            "search": rows,
            "best": _best_of(found) if len(self._plan.tasks) == 1 else None,
            "transfer": None,
        }
        return self._report(results, [_slug(task, name) for task, name in pairs])

    def _search(self, task: Task, name: str) -> dict[str, Any]:
        """One search, from its checkpoints or its result if there are any.

        All processes search, each with a part of the seeds; the leader alone keeps
        and returns what comes out.
        """
        slug = _slug(task, name)
        phase = Phase(self._folder.path, slug, self._plan.inputs(task, name))
        kept = phase.result
        if bool(hosts.told(np.bool_(kept is not None))):
            return kept or {}
        given = self._given(task, name)
        result = searching.run_method(
            name,
            self._plan.table,
            task,
            budget=self._plan.budget,
            seeds=self._plan.seeds,
            # One key for all: a search does not depend on which others run.
            key=self._key_search,
            folder=self._folder.inside(f"checkpoints/{slug}"),
            given=given,
            save_every=_SAVE_EVERY,
            interrupt=self._interrupt,
            progress=self._progress,
            label=f"{task.name} {name}",
            strict_resume=self._strict,
            together=True,
        )
        if hosts.leads():
            self._folder.write_text(_ledger(slug), _ledger_lines(result))
            row = result.summary() | {
                "hint": searching.hint_told(given, name),
                "curves": {name: result.band()},
            }
            kept = phase.finish({"row": row, "best": searching.best(result, _BEST)})
            say(f"{task.name} {name}: {outcome(kept['row'])}")
        self._interrupt.agree()
        self._interrupt.check(f"{task.name} {name} is finished in {self._folder.path}")
        return kept or {}

    def _given(self, task: Task, name: str) -> searching.Given:
        """What one search begins with."""
        plan, path, start, scores = self._plan, self._folder.path, None, None
        known, score = plan.starting(task, name), plan.score(task, [name])
        if known is not None and plan.config is not None:
            start = knowledge.start(plan.config, known, path, self._interrupt, together=True)
        if score is not None:
            scores = hinting.score(score, plan.table.space, path, plan.seed, together=True)
        generator = self._generator if name in plan.generative else None
        return searching.Given(generator, start, scores)

    @functools.cached_property
    def _generator(self) -> Generator:
        """Trains what is not trained yet; counts and folds in any case."""
        config, space = self._plan.config, self._plan.table.space
        assert config is not None
        inputs = self._plan.fields()[GENERATOR]
        phase = Phase(self._folder.path, _PRETRAINING, {**inputs, "seed": self._plan.seed})
        key_train, key_build = jax.random.split(self._key_generator)
        trained = stage1.train(
            config,
            space,
            workdir_path=self._folder.inside(GENERATOR),
            key=key_train,
            strategy=config.train.strategy,
            devices=jax.devices(),
            interrupt=self._interrupt,
            progress=self._progress,
            strict_resume=self._strict,
        )
        start = time.perf_counter()
        generator = stage1.build(key_build, config, trained)
        jax.block_until_ready(generator.decoder)
        build_seconds = time.perf_counter() - start
        if hosts.leads() and phase.result is None:
            kept = phase.finish(
                {
                    "seconds": trained.summary["seconds"] + build_seconds,
                    "train_seconds": trained.summary["seconds"],
                    "build_seconds": build_seconds,
                    "architectures": len(trained.data.train),
                    # A generator is trained on architectures alone.
                    "labels": 0,
                    "training": trained.summary,
                }
            )
            say(pretraining_line(kept, self._plan.generative))
        self._interrupt.agree()
        self._interrupt.check(f"the generator is finished in {self._folder.path}")
        return generator

    def _report(self, results: dict[str, Any], slugs: Sequence[str]) -> dict[str, Any]:
        """Writes what follows from the searches, unless it is there already."""
        folder = self._folder
        page, found = folder.inside("report.html"), folder.read_json("results.json")
        if found is not None and page.exists() and _same(found, results):
            say(f"nothing left to do: {page}")
            return found
        ledger = folder.inside("ledger.jsonl")
        with files.writing(ledger):
            lines = b"".join(folder.inside(_ledger(slug)).read_bytes() for slug in slugs)
        files.write_bytes(ledger, lines)
        with metrics.MetricsWriter(folder.path) as writer:
            writer.truncate(-1)
            for query in range(self._plan.budget):
                writer.write(query + 1, _means_at(results["search"], query))
        logged = metrics.read(folder.inside(f"{GENERATOR}/{metrics.METRICS}"))
        with files.writing(page):
            pnag_jax.reports.write(folder.path, results, logged if results["training"] else [])
        # Last: where it is, the page is its page.
        folder.write_json("results.json", results)
        say(f"report: {page}")
        return files.plain(results)


def _joined(
    row: dict[str, Any], found: Sequence[dict[str, Any]], pretraining: dict[str, Any] | None
) -> dict[str, Any]:
    """A row with what follows from the others: uniform draws, the generator's seconds."""
    same_task = (one["row"] for one in found if one["row"]["task"] == row["task"])
    uniform = next((other["mean"] for other in same_task if other["method"] == "random"), None)
    needs = pretraining is not None and searching.taking("generator", [row["method"]])
    seconds = pretraining["seconds"] if pretraining is not None and needs else None
    return {**row, "uniform_mean": uniform, "pretraining_seconds": seconds}


def _best_of(found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The best architectures of the method with the best mean over all budgets."""

    def rank(one: dict[str, Any]) -> float:
        row = one["row"]
        regrets = [value for value in row["regret"] if value is not None]
        return sum(regrets) / len(regrets) if regrets else float("inf")

    return min(found, key=rank)["best"]


def _without(found: dict[str, Any] | None, key: str) -> dict[str, Any] | None:
    return None if found is None else {k: v for k, v in found.items() if k != key}


def _same(found: dict[str, Any], results: dict[str, Any]) -> bool:
    """Whether nothing differs but where and how the program was called."""
    circumstances = {"environment": None, "command": None}
    return found | circumstances == files.plain(results) | circumstances


def _means_at(rows: Sequence[dict[str, Any]], query: int) -> dict[str, Any]:
    means = {}
    for row in rows:
        task, method = row["task"].replace("@", "_"), row["method"]  # TensorBoard takes no "@"
        means[f"{task}/{method}"] = row["curves"][method]["mean"][query]
    return means


def _slug(task: Task, name: str) -> str:
    """A file name of a search; a metric's full name has a slash in it."""
    return re.sub(r"[^A-Za-z0-9@._-]", "_", f"{task.name}--{name}")


def _ledger(slug: str) -> str:
    return f"ledgers/{slug}.jsonl"


def _ledger_lines(result: SearchResult) -> str:
    """One JSON object a query, all seeds in order."""
    space = result.ledgers[0].table.space
    lines = [
        json.dumps(
            {
                "task": result.task.name,
                "method": result.method,
                "seed": seed,
                "order": entry.order,
                "architecture": space.to_string(entry.genotype),
                "value": round(entry.value, 6),
                "seconds": round(entry.seconds, 6),
            }
        )
        for seed, ledger in zip(result.seeds, result.ledgers, strict=True)
        for entry in ledger.entries
    ]
    return "".join(f"{line}\n" for line in lines)
