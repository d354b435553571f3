"""A process that works off cells: ``python -m experiments.scaling_study.worker JOB.json``.

Compiled cells run apart from the program, since a fault of the TPU compiler
ends its whole process; measured ones, since the number of simulated devices
is fixed when JAX starts.
"""

from __future__ import annotations

import json
import pathlib
import sys
from typing import Any

import jax

from experiments.bench.timing import Effort
from experiments.scaling_study import (
    cells,
    compiling,
    ladder,
    measuring,
    placing,
    prepare,
    runner,
    topology,
)
from experiments.scaling_study.cells import Cell
from experiments.scaling_study.topology import Slice
from pnag_jax import spaces
from pnag_jax.errors import UserError
from pnag_jax.generation import Generator
from pnag_jax.training import files


def main(path: str) -> None:
    """Works off cells of a job file, each result written as soon as it is there.

    Several workers share the cells; each takes the next that none has taken.
    """
    job = json.loads(pathlib.Path(path).read_text())
    generator = prepare.shared_generator(job)
    for entry in job["cells"]:
        cell = cells.from_json(entry)
        if not runner.claim(job, cell):
            continue
        try:
            found = find(cell, generator, job)
        except (UserError, jax.errors.JaxRuntimeError) as error:
            found = {"fault": " ".join(str(error).split())[:500]}
        files.write_json(pathlib.Path(job["folder"]) / f"{cell.name}.json", found)


def find(cell: Cell, generator: Generator, job: dict[str, Any]) -> dict[str, Any]:
    """The result of one cell."""
    if cell.part == cells.MEASURED:
        effort = Effort(job["repeats"], job["seconds"])
        return measuring.measure(
            cell.program, generator, cell.strategy, cell.devices, cell.each, effort
        )
    whole = topology.parse(job["topology"])
    found: Slice = whole if cell.devices == whole.num_chips else cells.one_chip(whole)
    devices = topology.devices(found)
    if cell.part == cells.COMPILED:
        return compiling.compile_program(
            cell.program, generator, found, devices, cell.strategy, cell.each
        )
    rung = next(rung for rung in ladder.RUNGS if rung.name == cell.program)
    work = ladder.training(rung, spaces.get(job["space"]))
    lowered = placing.lower_step(work, cell.strategy, devices, cell.each, cell.model)
    flops = ladder.matmul_flops(work, cell.each)
    return {
        "parameters": ladder.count_parameters(work),
        **compiling.examine(lowered, found, flops),
    }


if __name__ == "__main__":
    main(sys.argv[1])
