"""What other tasks tell a search before its first query."""

from __future__ import annotations

import json
import os

import jax
import numpy as np
from ml_collections import ConfigDict

from experiments import transferring
from experiments.command import say
from experiments.phases import Phase
from experiments.searching import Start, taking
from experiments.transferring import Plan
from pnag_jax.benchmarks import Table, Task
from pnag_jax.errors import UsageError
from pnag_jax.methods import names, transferable
from pnag_jax.training import hosts
from pnag_jax.training.interrupts import Interrupt

# Proposals that a search begins with, or rates beside its own.
_PROPOSALS = 64


def plan(
    config: ConfigDict,
    methods: tuple[str, ...],
    table: Table,
    task: Task,
    benchmark_dir: str | os.PathLike[str] | None,
) -> Plan | None:
    """What is trained on for a search, None where ``config.meta`` asks for nothing.

    Args:
      config: of the run.
      methods: that search.
      table: of the task.
      task: its data set is never trained on.
      benchmark_dir: where files of triples are looked for.

    Raises:
      UsageError: none of the methods can use it; or as ``transferring.plan``.
      DataError: a damaged file.
    """
    if config.meta is None:
        return None
    if not taking("start", methods):
        raise UsageError(
            f"config.meta = {config.meta!r}: none of {', '.join(methods)} begins with what other"
            f" tasks tell; accepted are methods with {', '.join(taking('start', names()))}"
        )
    return transferring.plan(config, table, benchmark_dir, task.dataset)


def start(
    config: ConfigDict,
    plan: Plan,
    workdir_path: str | os.PathLike[str],
    interrupt: Interrupt | None = None,
    *,
    count: int = _PROPOSALS,
    together: bool = False,
) -> Start:
    """Proposals without a query, from one surrogate; made once a run.

    Args:
      config: of the run.
      plan: of one target, which may be one that no table has.
      workdir_path: folder of the run.
      interrupt: flag of a signal.
      count: proposals at most.
      together: whether all processes call this alike; the leader makes them.

    Raises:
      UsageError: the run was begun with others.
      UserError: the system refuses a write.
      Interrupted: a signal came.
    """
    if not together or hosts.count() == 1:
        return _made(config, plan, workdir_path, interrupt, count)
    mine = _made(config, plan, workdir_path, interrupt, count) if hosts.leads() else None
    said = "" if mine is None else json.dumps([mine.genotypes.tolist(), mine.labels])
    genotypes, labels = json.loads(hosts.texts(said)[0])
    return Start(np.array(genotypes, np.int32), labels)


def _made(
    config: ConfigDict,
    plan: Plan,
    workdir_path: str | os.PathLike[str],
    interrupt: Interrupt | None,
    count: int,
) -> Start:
    """As ``start``, by this process."""
    ((dataset, source),) = plan.sources.items()
    config = config.copy_and_resolve_references()
    config.transfer.update({"seeds": 1, "evaluate": False})
    inputs = {
        **config.transfer.to_dict(),
        "seed": config.seed,
        "table": plan.table.name,
        "meta": plan.meta,
        "target": dataset,
        "count": count,
    }
    phase = Phase(workdir_path, f"meta-{dataset}", inputs)
    if (found := phase.result) is None:
        key = jax.random.fold_in(jax.random.key(config.seed), 3)
        (trained,), tasks, _, seconds = transferring.train(
            config, plan, source, key, interrupt or Interrupt()
        )
        found = phase.finish(
            {
                "genotypes": _proposals(
                    trained, plan.table, transferring.hint(config, plan, workdir_path)
                )[:count].tolist(),
                "labels": tasks.labels,
                "seconds": seconds,
            }
        )
    say(
        f"{len(found['genotypes'])} architectures are proposed for {dataset} by"
        f" {found['labels']:,} labels of {plan.meta} in {plan.table.source}; trained on them in"
        f" {found['seconds']:.0f} s"
    )
    return Start(np.array(found["genotypes"], np.int32), found["labels"])


def _proposals(
    trained: transferable.Transferable, table: Table, hint: np.ndarray | None
) -> np.ndarray:
    """A table's architectures, each once, best first: int32 ``[n, L]``.

    None of its measurements is read: that would be a query.  ``hint`` is one of the
    table's rows.
    """
    classes = np.unique(table.classes[table.valid])
    candidates = table.genotypes[classes].astype(np.int32)
    order, _ = transferable.propose(
        trained, candidates, hint=None if hint is None else hint[classes]
    )
    return candidates[order]
