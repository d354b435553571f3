"""What real training came to: a benchmark table, ``results.json``, ``report.html``."""

from __future__ import annotations

import dataclasses
import pathlib
import shlex
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import pnag_jax
from experiments.command import say
from experiments.generating import entry
from experiments.real_training import Found, Plan
from pnag_jax import benchmarks, networks, spaces
from pnag_jax.networks import counting
from pnag_jax.training import files, metrics
from pnag_jax.training.workdir import Workdir

TABLE = "table.npz"
_BEST = 10


def dataset_name(plan: Plan) -> str:
    """The data set as columns name it."""
    return pathlib.PurePath(plan.data.name).stem


def write_table(plan: Plan, folder: Workdir, command: Sequence[str], found: Found) -> None:
    """Writes ``table.npz``: the architectures that all seeds have trained.

    Raises:
      UserError: the system refuses a write.
    """
    trained = np.isfinite(found.valid_accuracy).all(axis=1)
    if not trained.any():
        return
    name, several = dataset_name(plan), len(plan.seeds) > 1
    columns = {}
    for metric, values in zip(Found._fields, found, strict=True):
        some = values[trained]
        columns[f"{name}/{metric}"] = some.mean(axis=1)
        if several:
            columns[f"{name}/{metric}_std"] = some.std(axis=1, ddof=1)
            for number in range(len(plan.seeds)):
                columns[f"{name}/{metric}_seed{number}"] = some[:, number]
    data, recipe = plan.data, dataclasses.asdict(plan.recipe)
    height, width, channels = data.image_shape
    meta = {
        "units": "accuracy percent",
        "notes": f"mean, standard deviation (_std) and each of {len(plan.seeds)} seeds"
        if several
        else "one seed",
        "command": shlex.join(command),
        "dataset": f"{len(data.train.labels)} images of {height} x {width} x {channels} to train"
        f" on, {len(data.valid.labels)} to validate, {len(data.test.labels)} to test",
        "skeleton": dict(plan.skeleton),
        "recipe": recipe,
        "jax": jax.__version__,
    }
    benchmarks.save_table(
        folder.inside(TABLE),
        space=plan.space_name,
        genotypes=plan.genotypes[trained],
        columns=columns,
        meta=meta,
    )


def report(
    plan: Plan, found: Found, folder: Workdir, config: dict[str, Any], environment: dict[str, Any]
) -> dict[str, Any]:
    """Writes ``results.json`` and ``report.html``; returns the first."""
    valid, test = (values.mean(axis=1, dtype=np.float64) for values in found)
    order = np.argsort(-valid, kind="stable")
    first = order[0]
    lines = metrics.read(folder.inside(metrics.METRICS))
    seconds = sum(x["seconds"] for x in metrics.read(folder.inside(metrics.TIMINGS)))
    count = found.valid_accuracy.size
    steps = count * plan.recipe.epochs * (len(plan.data.train.labels) // plan.recipe.batch_size)
    results = {
        "version": 1,
        "space": plan.space_name,
        "task": f"{dataset_name(plan)}@valid",
        "config": files.plain(config),
        "environment": environment,
        "training": {
            "steps": steps,
            "seconds": seconds,
            "loss": lines[-1]["loss"],
            "reconstruction": None,
            "codebook_use": None,
            "codebook_perplexity": None,
            "architectures": len(plan.genotypes),
            "seeds": len(plan.seeds),
            "seconds_per_training": seconds / count,
        },
        "generation": None,
        "search": None,
        "best": [_row(plan, int(i), valid[i], test[i]) for i in order[:_BEST]],
    }
    page = folder.inside("report.html")
    with files.writing(page):
        pnag_jax.reports.write(folder.path, results, lines)
    folder.write_json("results.json", results)
    say(
        f"best by validation: {valid[first]:.2f} % ({test[first]:.2f} % in the test) of"
        f" {len(valid)} architectures with a mean of {valid.mean():.2f} %; {seconds / count:.2f} s"
        f" a training; {folder.path / TABLE}"
    )
    return results


def _row(plan: Plan, number: int, valid: float, test: float) -> dict[str, Any]:
    genotype = plan.genotypes[number]
    network = networks.build(plan.space_name, genotype, plan.data.num_classes, **plan.skeleton)
    image = jax.ShapeDtypeStruct((1, *plan.data.image_shape), jnp.float32)
    return {
        **entry(spaces.get(plan.space_name), genotype),
        "search_value": float(valid),
        "report_value": float(test),
        "params": counting.params(network, image),
        "flops": counting.flops(network, image),
    }
