"""Zero-cost proxies of a table's architectures, in parts that are kept."""

from __future__ import annotations

import dataclasses
import math
import pathlib
import time
from typing import Any

import jax
import numpy as np

from experiments import text_table
from experiments.phases import Phase
from pnag_jax import benchmarks, datasets, networks
from pnag_jax.benchmarks import Table
from pnag_jax.errors import UsageError
from pnag_jax.export.inputs import example_input
from pnag_jax.generation import promise
from pnag_jax.proxies import Proxy, in_one_program, score_all
from pnag_jax.training import files
from pnag_jax.training.interrupts import Interrupt
from pnag_jax.training.progress import Progress
from pnag_jax.training.workdir import Workdir

NOISE = "noise"
TABLE = "table.npz"
# Architectures between two saves, where one program scores all, and where each is compiled.
_PART, _COMPILED_PART = 128, 4
_CLASSES = 10


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """What is scored.

    Attributes:
      table: of the architectures.
      rows: int ``[K]``, of the table.
      proxies: distinct.
      source: the data set as columns name it.
      inputs: one batch ``[B, ...]``.
      labels: int ``[B, ...]``.
      num_classes: logits.
      skeleton: fields of the space's ``Skeleton``.
      seed: of initial weights.
    """

    table: Table
    rows: np.ndarray
    proxies: tuple[Proxy, ...]
    source: str
    inputs: np.ndarray
    labels: np.ndarray
    num_classes: int
    skeleton: dict[str, Any]
    seed: int


def make_plan(
    *,
    table: Table,
    proxies: tuple[Proxy, ...],
    dataset: str,
    skeleton: dict[str, Any],
    count: int,
    batch_size: int,
    seed: int,
) -> Plan:
    """Draws the rows and reads the batch.

    Raises:
      UsageError: a space without networks, a field of the skeleton or a data set
        that does not exist, images for networks of tokens, a batch beyond the
        data.
      DataError: a damaged data set.
    """
    usable = np.flatnonzero(table.valid)
    random = np.random.default_rng(seed)
    rows = usable if not count else np.sort(random.permutation(usable)[:count])
    network = networks.build(table.space_name, table.genotypes[rows[0]], _CLASSES, **skeleton)
    shape = example_input(network, batch_size)
    tokens = np.issubdtype(shape.dtype, np.integer)
    if dataset == NOISE:
        num_classes = 1000 if tokens else _CLASSES
        labels = random.integers(0, num_classes, shape.shape if tokens else batch_size)
        inputs = np.roll(labels, 1, 1) if tokens else random.normal(size=shape.shape)
        source = NOISE
    elif tokens:
        raise UsageError(
            f"--dataset={dataset}: networks of {table.space_name} take tokens; accepted is {NOISE}"
        )
    else:
        data = datasets.load(dataset)
        if batch_size > len(data.train.labels):
            raise UsageError(
                f"--batch_size={batch_size}: {dataset} has {len(data.train.labels)} images"
            )
        inputs, labels = (part[:batch_size] for part in data.train)
        num_classes, source = data.num_classes, pathlib.PurePath(data.name).stem
    return Plan(
        table=table,
        rows=rows,
        proxies=proxies,
        source=source,
        inputs=inputs.astype(np.int32 if tokens else np.float32),
        labels=labels.astype(np.int32),
        num_classes=num_classes,
        skeleton=skeleton,
        seed=seed,
    )


def run(
    plan: Plan,
    folder: Workdir,
    config: dict[str, Any],
    environment: dict[str, Any],
    command: str,
    interrupt: Interrupt,
) -> dict[str, Any]:
    """Scores what is not scored yet, and writes the table and ``results.json``.

    Raises:
      UsageError, UserError, DataError, Interrupted: as ``Phase`` and ``Workdir``.
    """
    scores, seconds = _scores(plan, folder, interrupt)
    table, rows = plan.table, plan.rows
    columns = {metric: table.column(metric)[rows] for metric in table.metrics}
    meta = {
        **table.meta,
        "proxies": f"scores of untrained networks by {plan.source}, NaN where not finite",
        "skeleton": plan.skeleton,
        "command": command,
    }
    named = {f"{plan.source}/{name}": values for name, values in scores.items()}
    benchmarks.save_table(
        folder.inside(TABLE),
        space=table.space_name,
        genotypes=table.genotypes[rows],
        columns={**columns, **named},
        meta=meta,
    )
    results = {
        "version": 1,
        "space": table.space_name,
        "task": None,
        "config": files.plain(config),
        "environment": environment,
        "source": table.source,
        "architectures": len(rows),
        "seconds": seconds,
        "rank_correlation": {
            name: {metric: _correlation(values, column) for metric, column in columns.items()}
            for name, values in scores.items()
        },
    }
    folder.write_json("results.json", results)
    return files.plain(results)


def _scores(
    plan: Plan, folder: Workdir, interrupt: Interrupt
) -> tuple[dict[str, np.ndarray], float]:
    """All scores, NaN where not finite, and the seconds that they took."""
    found: dict[str, list[np.ndarray]] = {proxy.name: [] for proxy in plan.proxies}
    seconds = 0.0
    one_program = in_one_program(plan.table.space_name, plan.proxies)
    size = _PART if one_program else _COMPILED_PART
    starts = range(0, len(plan.rows), size)
    with Progress().task("scores", len(plan.rows), unit="architectures") as bar:
        for start in starts:
            rows = plan.rows[start : start + size]
            phase = Phase(folder.path, f"scores-{start}", {"rows": rows.tolist()})
            kept = phase.result
            if kept is None:
                begun = time.perf_counter()
                scored = score_all(
                    plan.proxies,
                    plan.table.space_name,
                    # One shape, one program: the last part is filled up.
                    plan.table.genotypes[np.resize(rows, size)]
                    if one_program and len(starts) > 1
                    else plan.table.genotypes[rows],
                    plan.inputs,
                    plan.labels,
                    jax.random.key(plan.seed),
                    num_classes=plan.num_classes,
                    **plan.skeleton,
                )
                lists = {
                    name: [float(x) if math.isfinite(x) else None for x in values[: len(rows)]]
                    for name, values in scored.items()
                }
                kept = phase.finish({"seconds": time.perf_counter() - begun, "scores": lists})
            seconds += kept["seconds"]
            for name, values in kept["scores"].items():
                found[name].append(np.array(values, np.float32))
            bar.update(start + len(rows))
            interrupt.check(f"{start + len(rows)} architectures are scored in {folder.path}")
    return {name: np.concatenate(parts) for name, parts in found.items()}, seconds


def _correlation(left: np.ndarray, right: np.ndarray) -> float | None:
    """Of the ranks of the pairs that both are numbers; None where there is none."""
    found = promise.spearman(left, right)
    return found if math.isfinite(found) else None


def as_text(results: dict[str, Any]) -> str:
    """Rank correlations with the accuracies, one proxy a row."""
    table = results["rank_correlation"]
    metrics = [
        metric
        for metric in next(iter(table.values()))
        if any(word in metric for word in ("accuracy", "top1", "perplexity", "ppl"))
    ]
    rows = [
        [name, *("-" if row[m] is None else f"{row[m]:.3f}" for m in metrics)]
        for name, row in table.items()
    ]
    head = f"rank correlations of {results['architectures']} architectures:"
    return f"{head}\n{text_table.align(['proxy', *metrics], rows)}"
