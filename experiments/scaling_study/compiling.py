"""One program compiled for a slice that is not there, and what its executable tells."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any

import jax

from experiments.bench import programs
from experiments.scaling_study import hlo, placing, predict
from experiments.scaling_study.topology import Slice
from pnag_jax.generation import Generator


def compile_program(
    name: str, generator: Generator, found: Slice, devices: Sequence[Any], strategy: str, each: int
) -> dict[str, Any]:
    """A cell of the study.

    Args:
      name: of ``programs.PROGRAMS``.
      generator: gives model, data and tables.
      found: the slice.
      devices: its chips.
      strategy: "pmap" or "mesh".
      each: examples, or samples, a chip.
    """
    if name in programs.TRAINING:
        work = programs.training(name, generator)
        lowered = placing.lower_step(work, strategy, devices, each)
    else:
        drawn = programs.sampler(name, generator)
        lowered = placing.lower_sampler(drawn, strategy, devices, each)
    return examine(lowered, found)


def examine(lowered: jax.stages.Lowered, found: Slice, least_flops: float = 0.0) -> dict[str, Any]:
    """Compiles, and reads costs, memory and collectives.

    Args:
      lowered: a program.
      found: the slice that it is for.
      least_flops: operations of a chip that are known without the compiler.

    Returns:
      ``compile_seconds`` and ``compile_cpu_seconds``, ``flops, bytes`` (a chip,
      loops counted as often as they run), ``loop_factor`` (by which XLA's own
      operations were multiplied for that: that of its estimated cycles),
      ``memory``, ``fits``, ``collectives`` and ``prediction``; of a program
      that does not fit into the chip's memory ``fits`` is false, ``memory``
      what the compiler would have needed, and the rest is null.
    """
    start, work = time.perf_counter(), time.process_time()
    try:
        compiled = lowered.compile()
    except jax.errors.JaxRuntimeError as error:
        needed = needed_memory(str(error))
        if needed is None:
            raise
        return _too_large(needed, time.perf_counter() - start)
    seconds = time.perf_counter() - start
    analysis: Any = compiled.cost_analysis() or {}
    costs = hlo.read(compiled.as_text() or "", found.num_chips)
    factor = costs.cycles / costs.cycles_once if costs.cycles_once else 1.0
    flops = max(float(analysis.get("flops", 0.0)) * factor, least_flops)
    accessed = costs.bytes_in_all(float(analysis.get("bytes accessed", 0.0)))
    memory = _memory(compiled)
    predicted = predict.step(
        found.chip,
        found.shape,
        flops=flops,
        bytes_accessed=accessed,
        collectives=costs.collectives,
    )
    return {
        "compile_seconds": seconds,
        "compile_cpu_seconds": time.process_time() - work,
        "flops": flops,
        "bytes": accessed,
        "loop_factor": factor,
        "memory": memory,
        "fits": memory["total"] <= found.chip.memory,
        "collectives": [collective._asdict() for collective in costs.collectives],
        "prediction": predicted._asdict(),
        "compiler_seconds": costs.cycles / found.chip.clock,
    }


def _memory(compiled: jax.stages.Compiled) -> dict[str, float]:
    stats: Any = compiled.memory_analysis()
    found = {
        "arguments": float(stats.argument_size_in_bytes),
        # What is donated is written in place.
        "results": float(stats.output_size_in_bytes - stats.alias_size_in_bytes),
        "temporary": float(stats.temp_size_in_bytes),
        "code": float(stats.generated_code_size_in_bytes),
    }
    return {**found, "total": sum(found.values())}


def _too_large(needed: float, seconds: float) -> dict[str, Any]:
    names = ("flops", "bytes", "loop_factor", "prediction", "compiler_seconds")
    return {
        "compile_seconds": seconds,
        **dict.fromkeys(names),
        "memory": {"total": needed},
        "fits": False,
        "collectives": [],
    }


def needed_memory(message: str) -> float | None:
    """Bytes that the compiler says a program needs, None where the error is another.

    >>> needed_memory("XLA:TPU compile permanent error. Ran out of memory in memory space hbm."
    ...               " Used 20.50G of 15.75G hbm. Exceeded hbm capacity by 4.75G.")
    22011707392.0
    """
    found = re.search(r"Used ([\d.]+)([KMGT]?) of [\d.]+[KMGT]? hbm", message)
    if not found:
        return None
    return float(found.group(1)) * 1024.0 ** " KMGT".index(found.group(2) or " ")
