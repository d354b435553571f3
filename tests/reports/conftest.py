"""Results as the binaries write them, with real genotypes of every space."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

from pnag_jax import spaces
from pnag_jax.reports import style

BUDGETS = (16, 24, 48, 96, 192)


def entry(space: spaces.Space, genotype: np.ndarray) -> dict[str, Any]:
    return {"architecture": space.to_string(genotype), "genotype": [int(g) for g in genotype]}


def climb(speed: float, optimum: float = 94.37, budget: int = 192) -> dict[str, list[float]]:
    """An incumbent's mean and deviation a query, reaching for the optimum."""
    queries = np.arange(1, budget + 1)
    gap = 40 * np.exp(-queries / 2) + 2.4 * np.exp(-((queries * speed / 60) ** 0.6))
    return {"mean": (optimum - gap).tolist(), "std": (0.6 * gap**0.8).tolist()}


def search_row(
    task: str, method: str | None, speed: float, optimum: float = 94.37
) -> dict[str, Any]:
    curve = climb(speed, optimum)
    at = [q - 1 for q in BUDGETS]
    row = {
        "task": task,
        "search_metric": "valid_accuracy_12ep",
        "report_metric": "test_accuracy",
        "budget": 192,
        "seeds": 20,
        "queries": list(BUDGETS),
        "mean": [curve["mean"][i] for i in at],
        "std": [curve["std"][i] for i in at],
        "median": [curve["mean"][i] + 0.01 for i in at],
        "regret": [optimum - curve["mean"][i] for i in at],
        "median_queries_to_optimum": 64.5 if speed > 1 else None,
        "median_queries_to_best_search": 80.0 if speed > 1.5 else None,
        "invalid": 3.2 if method == "evolution" else 0.0,
        "foreign_labels": 0.0,
        "optimum": optimum,
        "uniform_mean": [climb(0.3, optimum)["mean"][i] for i in at],
    }
    if method is not None:
        row |= {"method": method, "seconds_per_seed": 0.8 / speed, "curves": {method: curve}}
    return row


@pytest.fixture
def metrics() -> list[dict[str, Any]]:
    """Lines of ``metrics.jsonl``: training, then a line without a loss."""
    rng = np.random.default_rng(0)
    lines: list[dict[str, Any]] = []
    for step in range(0, 2000, 10):
        grown = 1 - math.exp(-step / 350)
        lines.append(
            {
                "step": step,
                "loss": 9 * math.exp(-step / 300) + 0.2 + 0.08 * abs(rng.normal()),
                "reconstruction": min(1.0, max(0.0, grown + 0.03 * rng.normal())),
                "codebook_use": 0.3 + 0.5 * grown,
                "codebook_perplexity": 6 + 24 * grown + rng.normal(),
                "learning_rate": 1e-4,
            }
        )
    lines.append({"step": 2000, "loss": None, "held_out_reconstruction": 0.9993})
    return lines


def run_results(name: str) -> dict[str, Any]:
    """Results of one run of ``experiments.<name>``."""
    space = spaces.get(name)
    genotypes = np.asarray(space.sample(jax.random.key(3), 24))
    target = genotypes[8]
    scales = list(range(3, space.num_nodes + 1))
    path = [
        {"nodes": n, **entry(space, np.asarray(space.sub_architecture(target, n)))} for n in scales
    ]
    best = [
        {
            "architecture": space.to_string(g),
            "search_value": 91.6 - 0.07 * i,
            "report_value": 94.37 - 0.11 * i + 0.05 * (i % 3),
            "params": float(space.params(g)),
            "flops": float(space.flops(g)),
        }
        for i, g in enumerate(genotypes[12:20])
    ]
    row = search_row("cifar10@12ep", None, 2.5)
    row["curves"] = {
        "pnag_counts": climb(2.5),
        "evolution": climb(1.2),
        "random": climb(0.4),
    }
    decades = np.linspace(0, 1, len(scales))
    return {
        "version": 1,
        "space": name,
        "task": "cifar10@12ep",
        "config": {
            "seed": 0,
            "model": {"channels": 16, "codes": 64, "scales": scales},
            "train": {"steps": 2000, "batch_size": 256, "learning_rate": 1e-3},
        },
        "command": ["python", "-m", f"experiments.{name}", "--workdir=runs/first run"],
        "environment": {
            "jax": "0.10.2",
            "backend": "cpu",
            "device_kind": "cpu",
            "device_count": 2,
            "host_count": 1,
        },
        "training": {
            "steps": 2000,
            "seconds": 74.3,
            "loss": 0.2314,
            "reconstruction": 0.99936,
            "codebook_use": 0.797,
            "codebook_perplexity": 30.4,
            "scales": scales,
            "v_per_scale": (0.93 * np.exp(-3.2 * decades)).tolist(),
            "reconstruction_per_scale": (decades**3 * 0.9994).tolist(),
        },
        "generation": {
            "held_out_reconstruction": 0.9993,
            "count": 1000,
            "raw_validity": 0.999,
            "validity": 1.0,
            "uniqueness": 0.955,
            "novelty": 0.104,
            "training_share": 0.9,
            "uniform": {"validity": 1.0, "uniqueness": 0.969, "novelty": 0.1002},
            "seconds_one": 0.000113,
            "architectures_per_second": 1_234_000.0,
            "path": path,
            "samples": [entry(space, g) for g in genotypes[:12]],
        },
        "search": row,
        "best": best,
    }


@pytest.fixture
def run_of() -> Callable[[str], dict[str, Any]]:
    """Results of one run in the space of a name."""
    return run_results


@pytest.fixture
def results() -> dict[str, Any]:
    return run_results("nb201")


@pytest.fixture
def cheap_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of words: pictures are laid out but not rendered."""
    monkeypatch.setattr(style, "png", lambda figure, flat=False: b"\x89PNG")


@pytest.fixture
def comparison() -> dict[str, Any]:
    """Results of ``experiments.compare``: four tasks, five methods."""
    speeds = {
        "random": 0.4,
        "evolution": 0.9,
        "local_search": 1.3,
        "marginal_eda": 1.6,
        "pnag_counts": 3.0,
    }
    tasks = {
        "cifar10@12ep": 94.373,
        "cifar10@200ep": 94.363,
        "cifar100@12ep": 73.09,
        "cifar100@200ep": 73.48,
    }
    results = run_results("nb201")
    rows = [
        search_row(task, method, speed, optimum)
        for task, optimum in tasks.items()
        for method, speed in speeds.items()
    ]
    absent = dict.fromkeys(("task", "training", "generation"))
    return {**results, **absent, "search": rows, "best": []}
