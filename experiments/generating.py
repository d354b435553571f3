"""What a trained generator makes: judged, timed, drawn coarse to fine, written down."""

from __future__ import annotations

import json
import os
import pathlib
import statistics
import time
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from pnag_jax import generation
from pnag_jax.generation import Generator
from pnag_jax.spaces import Space
from pnag_jax.training import files

GENERATED = "generated.jsonl"

_SHOWN = 12
_SINGLE_CALLS = 200
_BATCH_CALLS = 7


def run(
    config: ConfigDict,
    generator: Generator,
    held_out: np.ndarray,
    *,
    key: jax.Array,
    workdir_path: str | os.PathLike[str],
) -> dict[str, Any]:
    """Generates, and writes ``generated.jsonl``: the architectures that were judged.

    Args:
      config: of a space.
      generator: trained.
      held_out: int ``[m, L]``, what it was not trained on.
      key: consumed.
      workdir_path: the folder of the run.

    Returns:
      ``generation`` of ``results.json``.

    Raises:
      UserError: the system refuses a write.
    """
    space = generator.model.space
    key_judged, key_path = jax.random.split(key)
    count, distinct = config.generation.count, config.generation.distinct
    judged = generation.evaluate(key_judged, generator, count=count, distinct=distinct)
    # ``evaluate`` draws its sample with the first half of its key.
    key_sample, _ = jax.random.split(key_judged)
    draw = generation.generate_distinct if distinct else generation.generate
    drawn = np.asarray(draw(key_sample, generator, count))
    samples = [entry(space, genotype) for genotype in drawn]
    lines = "".join(json.dumps(sample) + "\n" for sample in samples)
    files.write_text(pathlib.Path(workdir_path) / GENERATED, lines)
    return {
        "held_out_reconstruction": generation.reconstruction(generator, held_out),
        **judged,
        **speeds(generator, config.generation.speed_batch),
        "path": [
            {"nodes": step.nodes, **entry(space, step.genotype)}
            for step in generation.path(key_path, generator)
        ],
        "samples": samples[:_SHOWN],
    }


def speeds(generator: Generator, batch: int) -> dict[str, float]:
    """Wall times after compilation: the median of many calls.

    Args:
      generator: trained.
      batch: architectures a call.

    Returns:
      ``seconds_one``, of a call that makes one architecture, and
      ``architectures_per_second`` of calls that make ``batch``.
    """
    return {
        "seconds_one": _seconds(generator, 1, _SINGLE_CALLS),
        "architectures_per_second": batch / _seconds(generator, batch, _BATCH_CALLS),
    }


def _seconds(generator: Generator, n: int, calls: int) -> float:
    # Keys beforehand: to make one costs more than to generate with it.
    split = jax.random.split(jax.random.key(0), calls + 1)
    keys = [split[i] for i in range(calls + 1)]
    jax.block_until_ready(keys)
    times = []
    for key in keys:
        start = time.perf_counter()
        generation.generate(key, generator, n).block_until_ready()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])  # the first call compiles


def entry(space: Space, genotype: np.ndarray) -> dict[str, Any]:
    """An architecture as results show it: the space's string and the genes."""
    genotype = np.asarray(genotype)
    return {"architecture": space.to_string(genotype), "genotype": genotype.tolist()}
