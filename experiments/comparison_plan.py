"""What a comparison is asked for: a table, tasks, methods, budget, seeds."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from ml_collections import ConfigDict

from experiments import hinting, searching, settings, transferring
from pnag_jax import benchmarks, methods
from pnag_jax.benchmarks import Table, Task
from pnag_jax.errors import UsageError

GENERATOR = "generator"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """What is compared.

    Attributes:
      table: the measurements.
      tasks: of the table, distinct.
      methods: names, distinct.
      budget: queries a seed.
      seeds: how many, ``0 .. seeds - 1``.
      seed: decides everything random together with a seed's number.
      config: of the generator, from ``configs/<space>.py``; None where the
        space has none, and no method then needs one.
      known: what is learned from other tasks, by task, where that is asked for.
      hint: as ``hinting.resolve`` takes it.
    """

    table: Table
    tasks: tuple[Task, ...]
    methods: tuple[str, ...]
    budget: int
    seeds: int
    seed: int = 0
    config: ConfigDict | None = None
    known: Mapping[str, transferring.Plan] = dataclasses.field(default_factory=dict)
    hint: str = hinting.AUTO

    def check(self) -> None:
        """Refuses what cannot be run, before anything is written.

        Raises:
          UsageError: an unknown method, a budget that the table does not
            cover, or a generator's config that is missing or not accepted.
        """
        for name in self.methods:
            # Settings in a name are looked at here, before a generator is trained.
            methods.get(name).default_config(self.table.space)
        for task in self.tasks:
            self.score(task, self.methods)
            most = benchmarks.queryable(self.table, task.search_column)
            if not 1 <= self.budget <= most:
                raise UsageError(
                    f"--budget={self.budget}: accepted are 1 .. {most}, the distinct valid"
                    f" architectures with {task.search_column} in table {self.table.name}"
                )
        generative = self.generative
        if generative and self.config is None:
            raise UsageError(
                f"--methods={','.join(generative)}: searches with a generator, and"
                f" space {self.table.space_name} has no config of its own: --config=FILE"
            )
        if generative and self.config is not None:
            settings.check(self.config, self.table.space)

    @property
    def generative(self) -> tuple[str, ...]:
        """The methods that search with a generator."""
        return searching.taking("generator", self.methods)

    def starting(self, task: Task, method: str) -> transferring.Plan | None:
        """What that search begins with, if other tasks are to tell it."""
        return self.known.get(task.name) if searching.taking("start", [method]) else None

    def score(self, task: Task, names: Sequence[str]) -> str | None:
        """Which score of untrained networks those methods begin with on a task, if any."""
        return hinting.plan(self.hint, self.table.space, names, task)

    def fields(self) -> dict[str, Any]:
        """The config of the run, as ``config.json`` and ``results.json`` have it."""
        return {
            "benchmark": self.table.name,
            "tasks": [task.name for task in self.tasks],
            "methods": list(self.methods),
            "budget": self.budget,
            "seeds": self.seeds,
            "seed": self.seed,
            "meta": next((plan.meta for plan in self.known.values()), None),
            "hint": self.hint,
            GENERATOR: self._generator_fields() if self.generative else None,
        }

    def _generator_fields(self) -> dict[str, Any]:
        assert self.config is not None
        found = self.config.to_dict()
        return {name: found[name] for name in ("space", "data", "model", "train", "counts")}

    def inputs(self, task: Task, method: str) -> dict[str, Any]:
        """What decides the result of one search."""
        fields = self.fields()
        return {
            "table": fields["benchmark"],
            "measurements": _digest(self.table, task),
            "task": task.name,
            "search_metric": task.search_metric,
            "report_metric": task.report_metric,
            "method": method,
            **({} if (known := self.starting(task, method)) is None else {"meta": known.meta}),
            **{name: fields[name] for name in ("budget", "seeds", "seed")},
            **({} if (score := self.score(task, [method])) is None else {"hint": score}),
            GENERATOR: fields[GENERATOR] if method in self.generative else None,
        }


def _digest(table: Table, task: Task) -> str:
    """Tells a table from another one of the same name."""
    digest = hashlib.sha256(table.genotypes.tobytes())
    for column in (task.search_column, task.report_column):
        digest.update(table.column(column).tobytes())
    return digest.hexdigest()[:16]
