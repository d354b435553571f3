"""How well a surrogate predicts tasks that it was not trained on.

Letters: ``m`` architectures, ``B`` episodes of ``R`` measurements.
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from pnag_jax.benchmarks import Table, optimum
from pnag_jax.benchmarks.tasks import higher_is_better
from pnag_jax.generation.labels import quantiles
from pnag_jax.generation.promise import spearman
from pnag_jax.methods import transferable
from pnag_jax.methods.meta_tasks import MetaTasks
from pnag_jax.methods.transferable import Transferable

# Central intervals of a normal distribution: their share and half width.
_INTERVALS = {"coverage_50": 0.6744898, "coverage_90": 1.6448536}


def split(tasks: MetaTasks, holdout: float, seed: int) -> tuple[MetaTasks, MetaTasks]:
    """Tasks to train on and a share of other tasks; no task is in both."""
    names = np.unique(tasks.task)
    order = np.random.default_rng(seed).permutation(names)
    held = np.isin(tasks.task, order[: max(1, round(holdout * len(names)))])
    return tasks.subset(~held), tasks.subset(held)


def held_out(trained: Transferable, tasks: MetaTasks) -> dict[str, Any]:
    """Predictions of tasks by their examples alone.

    Args:
      trained: never trained on one of ``tasks``.
      tasks: with their labels.

    Returns:
      ``tasks, labels, rank_correlation`` of predictions and labels,
      ``pair_accuracy`` (share of pairs of a task whose order is right),
      ``coverage_50, coverage_90`` (share of the labels in central intervals of
      50 and 90 %).
    """
    mean, std = transferable.predict_episodes(trained, tasks)
    values = tasks.episodes.values[..., 0]
    there = (tasks.episodes.rows >= 0) & ~np.isnan(values)
    difference = values[:, :, None] - values[:, None, :]
    ordered = there[:, :, None] & there[:, None, :] & (difference > 0)
    right = (mean[:, :, None] > mean[:, None, :])[ordered]
    return {
        "tasks": tasks.num_tasks,
        "labels": tasks.labels,
        "rank_correlation": spearman(mean[there], values[there]),
        "pair_accuracy": float(right.mean()) if len(right) else None,
        **_coverage(mean[there], std[there], values[there]),
    }


def against_table(
    trained: Transferable,
    table: Table,
    column: str,
    *,
    count: int,
    same_unit: bool,
    hint: np.ndarray | None = None,
) -> dict[str, Any]:
    """Proposals for a data set of a table, beside what the table says of them.

    Args:
      trained: never trained on that data set.
      table: the truth; its classes of isomorphic architectures are rated.
      column: full name of what is reported.
      count: proposals that are returned.
      same_unit: whether predictions are normal scores of a table's ranks, so
        that intervals can be judged.
      hint: zero-cost scores of the table's rows, see ``transferable.propose``.

    Returns:
      ``proposals, optimum, first_rank_of_optimum, candidates, percentile``
      (share of the table that is better than the first proposal),
      ``rank_correlation, coverage_50, coverage_90``.
    """
    values = table.column(column)
    classes = np.unique(table.classes[table.valid & ~np.isnan(values)])
    classes = classes[~np.isnan(values[classes])]
    genotypes = table.genotypes[classes].astype(np.int32)
    order, found = transferable.propose(
        trained, genotypes, hint=None if hint is None else hint[classes]
    )
    maximize = higher_is_better(column)
    truth = values[classes] if maximize else -values[classes]
    best = optimum(table, column, maximize)
    reaches = values[classes[order]] == values[classes][np.argmax(truth)]
    space = table.space
    coverage = _coverage(found.mean, found.std, jax.scipy.special.ndtri(quantiles(truth)))
    return {
        "proposals": [
            {
                "rank": rank,
                "architecture": space.to_string(genotypes[row]),
                "genotype": genotypes[row].tolist(),
                "predicted": float(found.mean[row]),
                "std": float(found.std[row]),
                "report_value": float(values[classes[row]]),
            }
            for rank, row in enumerate(order[:count], start=1)
        ],
        "optimum": best,
        "first_rank_of_optimum": int(np.argmax(reaches)) + 1,
        "candidates": len(order),
        "percentile": float((truth > truth[order[0]]).mean()),
        "rank_correlation": spearman(found.mean, truth),
        **(coverage if same_unit else dict.fromkeys(coverage)),
    }


def _coverage(mean: Any, std: Any, values: Any) -> dict[str, float | None]:
    z = np.abs(np.asarray(values) - mean) / std
    return {name: float((z <= width).mean()) for name, width in _INTERVALS.items()}
