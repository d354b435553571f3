"""A search of a table with checkpoints: resumable, and done once."""

from __future__ import annotations

import functools
import os
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict

from experiments import settings, spreading
from experiments.command import say
from experiments.hinting import Scores
from pnag_jax import methods
from pnag_jax.benchmarks import QueryLedger, Table, Task, searchable
from pnag_jax.generation import Generator
from pnag_jax.methods import extras, search
from pnag_jax.methods.results import SearchResult
from pnag_jax.spaces import Space
from pnag_jax.training import hosts
from pnag_jax.training.checkpoints import Checkpoints
from pnag_jax.training.interrupts import Interrupt
from pnag_jax.training.progress import Progress

_BEST = 10


def taking(field: str, names: Iterable[str], registry: Any = methods) -> tuple[str, ...]:
    """Those of the registry's methods that take such a field; see ``methods.Method``."""
    return tuple(name for name in names if field in registry.get(name).takes)


def default_methods() -> list[str]:
    """All methods that can run here; one line tells of those that cannot."""
    installed = methods.installed()
    missing = [name for name in methods.names() if name not in installed]
    if missing:
        say(f"left out, as a package is missing: {', '.join(missing)} ({extras.INSTALL})")
    return list(installed)


class Start(NamedTuple):
    """What other tasks tell a search.

    Attributes:
      genotypes: to begin with, best first: int ``[s, L]``.
      labels: how many labels of other tasks that rests on.
    """

    genotypes: np.ndarray
    labels: int


class Given(NamedTuple):
    """What searches may begin with; each method gets what it takes.

    Attributes:
      generator: trained, for the methods that generate.
      start: what other tasks tell.
      scores: what untrained networks tell.
    """

    generator: Generator | None = None
    start: Start | None = None
    scores: Scores | None = None


NOTHING = Given()


def hint_told(given: Given, name: str, registry: Any = methods) -> dict[str, Any] | None:
    """``hint`` of a method's row in ``results.json``; None where it has none."""
    if given.scores is None or not taking("hint", [name], registry):
        return None
    return given.scores.told()


def method_config(method: methods.Method, given: Given, space: Space) -> dict[str, Any]:
    """What a method's config needs beside its defaults, for a search of ``space``."""
    found: dict[str, Any] = {"generator": given.generator}
    if given.start is not None:
        found["start"] = given.start.genotypes
    if given.scores is not None and "hint" in method.takes:
        found["hint"] = given.scores.hint(space)
    return {name: value for name, value in found.items() if name in method.takes}


def run_method(
    name: str,
    table: Table,
    task: Task,
    *,
    budget: int,
    seeds: int,
    key: jax.Array,
    folder: str | os.PathLike[str],
    given: Given = NOTHING,
    label: str | None = None,
    **how: Any,
) -> SearchResult:
    """Searches, or goes on, or reads what a finished search has left.

    Args:
      name: of the method.
      table: the measurements.
      task: what is searched for.
      budget: queries a seed.
      seeds: how many.
      key: of the whole search.
      folder: of the checkpoints, of this search alone.
      given: what the method may begin with.
      label: the phase's name in the progress, the method's by default.
      **how: as for ``run_resumable``.

    Raises:
      UsageError: an unknown method, or a budget that is not accepted.
      UserError, DataError, Interrupted: as ``run_resumable``.
    """
    method = methods.get(name)
    return run_resumable(
        method,
        table,
        task,
        budget=budget,
        seeds=seeds,
        key=key,
        folder=folder,
        config=method_config(method, given, searchable(table, task.search_column)),
        foreign_labels=given.start.labels if given.start and "start" in method.takes else 0,
        label=label or name,
        **how,
    )


def run_resumable(
    method: methods.Method,
    table: Table,
    task: Any,
    *,
    budget: int,
    seeds: int,
    key: jax.Array,
    folder: str | os.PathLike[str],
    config: Mapping[str, Any],
    label: str,
    ledger: type[QueryLedger] = QueryLedger,
    foreign_labels: int = 0,
    save_every: int = 16,
    interrupt: Interrupt | None = None,
    progress: Progress | None = None,
    strict_resume: bool = False,
    together: bool = False,
) -> SearchResult:
    """``search.run`` with checkpoints and progress.

    Args:
      method: what searches.
      table: the measurements.
      task: what ``ledger`` takes for one.
      budget: queries a seed.
      seeds: how many.
      key: of the whole search.
      folder: of the checkpoints, of this search alone.
      config: of the method.
      label: the phase's name in the progress.
      ledger: what answers.
      foreign_labels: see ``search.run``.
      save_every: proposals a seed between two saves.
      interrupt: flag of a signal.
      progress: where progress is shown.
      strict_resume: refuse a damaged newest checkpoint.
      together: whether all processes call this alike: each then searches with a
        part of the seeds, the leader saves, and all return the whole result.

    Raises:
      UsageError: a budget that is not accepted.
      UserError: the system refuses a write.
      DataError: a damaged checkpoint.
      Interrupted: a signal came; the queries so far are saved.
    """
    checkpoints = Checkpoints(folder, keep=2)
    interrupt = interrupt or Interrupt()

    def load(target: Any) -> Any:
        restored = checkpoints.restore(target, strict=strict_resume)
        checkpoints.clean()
        return restored.tree if restored else None

    def save(number: int, tree: Any) -> None:
        if not together or hosts.leads():
            # NaN and -inf stand for what was not measured.
            checkpoints.save(number, tree, require_finite=False)
        stopped()
        interrupt.check(f"round {number} of {method.name} is saved in {checkpoints.folder}")

    def stopped() -> bool:
        if together:
            interrupt.agree()
        return interrupt.requested

    run = functools.partial(
        search.run,
        method,
        table.space,
        table,
        task,
        budget=budget,
        key=key,
        config=config,
        ledger=ledger,
        foreign_labels=foreign_labels,
    )
    spread = spreading.Spread(seeds) if together and hosts.count() > 1 else None
    mine = range(seeds) if spread is None else spread.seeds
    with (progress or Progress(quiet=True)).task(label, budget * len(mine), unit="queries") as bar:
        hooks = search.Hooks(
            save=save,
            load=load,
            save_every=save_every,
            save_now=stopped,
            progress=lambda done, total: bar.update(done),
        )
        if spread is None:
            return run(seeds=mine, hooks=hooks)
        run(seeds=mine, hooks=spread.hooks(hooks))
    # Read as a search that was finished.
    return run(seeds=seeds, hooks=search.Hooks(load=lambda target: spread.whole))


def run(
    config: ConfigDict,
    table: Table,
    task: Task,
    *,
    key: jax.Array,
    workdir_path: str | os.PathLike[str],
    given: Given,
    interrupt: Interrupt | None = None,
    progress: Progress | None = None,
    strict_resume: bool = False,
    together: bool = False,
) -> dict[str, Any]:
    """All methods of a config on one task; every method has the same seeds.

    Writes ``ledger.jsonl``, the queries of seed 0 of the first method.

    Returns:
      ``search`` and ``best`` of ``results.json``.

    Raises:
      As ``run_method``.
    """
    folder = pathlib.Path(workdir_path)
    found = {
        name: run_method(
            name,
            table,
            task,
            budget=config.search.budget,
            seeds=config.search.seeds,
            key=key,
            folder=folder / "checkpoints" / f"search-{name}",
            given=given,
            save_every=config.search.save_every,
            interrupt=interrupt,
            progress=progress,
            label=f"search {name}",
            strict_resume=strict_resume,
            together=together,
        )
        for name in settings.method_names(config)
    }
    main, *_ = found.values()
    main.ledgers[0].write_jsonl(folder / "ledger.jsonl")
    uniform = found.get("random")
    row = main.summary() | {
        "source": table.source,
        "hint": hint_told(given, main.method),
        "uniform_mean": uniform.summary()["mean"] if uniform else None,
        "curves": {name: result.band() for name, result in found.items()},
    }
    return {"search": row, "best": best(main, _BEST)}


def best(result: SearchResult, count: int) -> list[dict[str, Any]]:
    """The best architectures over all seeds by search value, isomorphic ones once.

    Returns:
      Dicts of ``architecture, genotype, search_value, report_value, params,
      flops``, the best first; in ties the lower genotype.
    """
    space, sign = result.ledgers[0].table.space, -1 if result.task.maximize else 1
    entries = [entry for ledger in result.ledgers for entry in ledger.best(count)]
    entries.sort(key=lambda entry: (sign * entry["search_value"], entry["genotype"]))
    kinds = np.asarray(space.canonical(np.array([entry["genotype"] for entry in entries])))
    distinct: dict[bytes, dict[str, Any]] = {}
    for entry, kind in zip(entries, kinds, strict=True):
        distinct.setdefault(kind.tobytes(), entry)
    shown = []
    for entry in list(distinct.values())[:count]:
        genotype = np.array(entry["genotype"], np.int32)
        shown.append(
            {
                "architecture": space.to_string(genotype),
                **entry,
                "params": float(space.params(genotype)),
                "flops": float(space.flops(genotype)),
            }
        )
    return shown
