"""All measurements of one run, in one plain dict."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from experiments.bench import generation, machine, search, training
from experiments.bench.timing import Effort
from experiments.command import say
from experiments.searching import Given, method_config
from pnag_jax import methods
from pnag_jax.generation import Generator

PARTS = ("generation", "training", "search")

# What the project promises on two CPU cores, by space: seconds of one
# architecture at most, architectures a second in a batch at least.
_TARGETS = {"nb201": (0.2e-3, 1_000_000.0)}


def run(
    generator: Generator,
    *,
    parts: Sequence[str] = PARTS,
    batches: Sequence[int],
    method_names: Sequence[str],
    effort: Effort,
    seeds: int,
    budget: int,
    sizes: machine.Sizes | None = None,
) -> dict[str, Any]:
    """Measures the machine, then the parts.

    Args:
      generator: gives space, model and tables.
      parts: of ``PARTS``.
      batches: of generation, beside 1.
      method_names: of the search.
      effort: how long.
      seeds: searches side by side.
      budget: of their archives.
      sizes: of the machine's problems.

    Returns:
      ``space, cores, load, machine, generation{counted, speeds}, training,
      search, targets``; None for a part that was left out.
    """
    space = generator.model.space
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    say("measuring the machine")
    words, rows = np.asarray(generator.counts.tables.children), np.asarray(generator.decoder.rows)
    found_machine, peaks = machine.measure(words, rows, effort, sizes)
    found: dict[str, Any] = dict.fromkeys(PARTS)
    if "generation" in parts:
        say("measuring generation")
        speeds, counted = generation.measure(generator, batches, peaks, effort)
        found["generation"] = {"counted": counted, "speeds": speeds}
    if "training" in parts:
        say("measuring training steps")
        found["training"] = training.measure(generator, peaks, effort)
    if "search" in parts:
        say("measuring search rounds")
        given = Given(generator)
        configs = {name: method_config(methods.get(name), given, space) for name in method_names}
        found["search"] = search.measure(
            space, method_names, configs, peaks, effort, seeds=seeds, budget=budget
        )
    return {
        "space": space.name,
        "cores": machine.cores(),
        # Others at work on the machine make every number here smaller.
        "load": load,
        "machine": found_machine,
        **found,
        "targets": targets(space.name, found["generation"]),
    }


def targets(space: str, found: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Measured against promised; empty where nothing was promised or measured."""
    if space not in _TARGETS or found is None:
        return []
    one, many = _TARGETS[space]
    by_batch = {speed["batch"]: speed for speed in found["speeds"]}
    seconds = by_batch[1]["seconds"]["median"]
    best = max(speed["rate"]["median"] for speed in found["speeds"])
    return [
        {
            "name": "one architecture",
            "unit": "s",
            "target": one,
            "measured": seconds,
            "met": seconds <= one,
        },
        {
            "name": "batched",
            "unit": "architectures/s",
            "target": many,
            "measured": best,
            "met": best >= many,
        },
    ]
