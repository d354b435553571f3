"""Works off the cells that are not there yet, each kind in processes of its own."""

from __future__ import annotations

import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from experiments.command import say
from experiments.scaling_study.cells import Cell
from pnag_jax.errors import UserError
from pnag_jax.training.workdir import Workdir

_CELLS, _JOBS, _CLAIMS = "cells", "jobs", "claims"
_GENERATOR, _ENVIRONMENT = "generator", "environment.json"


def prepare(workdir: Workdir, job: Mapping[str, Any]) -> dict[str, Any]:
    """Trains the generator, and finds out what this machine is.

    Returns:
      ``command.environment()`` of a process on this machine, and ``local``,
      the number of its devices.

    Raises:
      UserError: the process ended with an error.
    """
    code, last = _process("prepare", workdir, "prepare", {**paths(workdir), **job}, {})
    if code:
        raise UserError(f"the generator could not be trained: {last}")
    found = workdir.read_json(_ENVIRONMENT)
    assert isinstance(found, dict)
    return found


def paths(workdir: Workdir) -> dict[str, str]:
    """Where a job finds what all cells share, and leaves its results."""
    return {
        "generator": str(workdir.path / _GENERATOR),
        "environment": str(workdir.path / _ENVIRONMENT),
        "folder": str(workdir.path / _CELLS),
        "claims": str(workdir.path / _CLAIMS),
    }


def result(workdir: Workdir, cell: Cell) -> dict[str, Any] | None:
    """What a cell has found, None where it is not done."""
    return workdir.read_json(os.path.join(_CELLS, f"{cell.name}.json"))


def run(
    workdir: Workdir,
    wanted: Sequence[Cell],
    job: Mapping[str, Any],
    *,
    environment: Mapping[str, str],
    processes: int,
) -> None:
    """Works off the cells that have no result, or a fault, so far.

    Args:
      workdir: of the study.
      wanted: all cells of one kind.
      job: what the worker needs beside them.
      environment: variables of its process.
      processes: side by side.
    """
    pending = [cell for cell in wanted if "fault" in (result(workdir, cell) or {"fault": ""})]
    if not pending:
        return
    for folder in (_CELLS, _CLAIMS):
        (workdir.path / folder).mkdir(exist_ok=True)
    for cell in pending:
        (workdir.path / _CELLS / f"{cell.name}.json").unlink(missing_ok=True)
        (workdir.path / _CLAIMS / cell.name).unlink(missing_ok=True)
    with concurrent.futures.ThreadPoolExecutor(processes) as pool:
        futures = [
            pool.submit(_work_off, workdir, pending, job, environment, f"{pending[0].part}{i}")
            for i in range(min(processes, len(pending)))
        ]
        for future in futures:
            future.result()


def _work_off(
    workdir: Workdir,
    pending: Sequence[Cell],
    job: Mapping[str, Any],
    environment: Mapping[str, str],
    name: str,
) -> None:
    """A process, and another one in its place after each that died of a cell."""
    while left := [cell for cell in pending if not _claimant(workdir, cell)]:
        say(f"{name}: {len(left)} of {len(pending)} cells to go, next {left[0].name}")
        wanted = {**paths(workdir), **job, "cells": [cell._asdict() for cell in left], "name": name}
        code, last = _process("worker", workdir, name, wanted, environment)
        if not code:
            return
        # It died of the cell that it had taken, or before it took one.
        claim({**paths(workdir), "name": name}, left[0])
        for cell in left:
            if _claimant(workdir, cell) == name and result(workdir, cell) is None:
                workdir.write_json(os.path.join(_CELLS, f"{cell.name}.json"), {"fault": last})


def claim(job: Mapping[str, Any], cell: Cell) -> bool:
    """Whether a cell is this worker's from now on, and was no worker's before."""
    try:
        with (pathlib.Path(job["claims"]) / cell.name).open("x") as file:
            file.write(job["name"])
    except FileExistsError:
        return False
    return True


def _claimant(workdir: Workdir, cell: Cell) -> str:
    """The worker whose cell it is, empty where it is none's."""
    path = workdir.path / _CLAIMS / cell.name
    return path.read_text() if path.exists() else ""


def _process(
    module: str,
    workdir: Workdir,
    name: str,
    job: Mapping[str, Any],
    environment: Mapping[str, str],
) -> tuple[int, str]:
    """Runs a module of this package on a job; its exit status and last words."""
    folder = workdir.path / _JOBS
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(job))
    log = folder / f"{name}.log"
    with log.open("wb") as file:
        ended = subprocess.run(
            [sys.executable, "-m", f"experiments.scaling_study.{module}", str(path)],
            env={**os.environ, **environment},
            stdout=file,
            stderr=subprocess.STDOUT,
            check=False,
        )
    return ended.returncode, _last_words(log) if ended.returncode else ""


def _last_words(log: pathlib.Path) -> str:
    """The line of a log that says most: of a crash of the compiler the first, else the last."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    fatal = [line for line in lines if line.startswith("F") and "]" in line]
    return (fatal[:1] or lines[-1:] or ["no output"])[0][:500]


def simulated(count: int) -> dict[str, str]:
    """Variables under which a CPU shows itself as so many devices."""
    given = os.environ.get("XLA_FLAGS", "")
    return {"XLA_FLAGS": f"{given} --xla_force_host_platform_device_count={count}".strip()}


def measured_counts(environment: Mapping[str, Any], most: int) -> list[int]:
    """Powers of two up to the devices there are; of a CPU up to ``most`` simulated ones.

    >>> measured_counts({"backend": "gpu", "local": 6}, most=2)
    [1, 2, 4]
    """
    local = most if environment["backend"] == "cpu" else environment["local"]
    return [1 << i for i in range(local.bit_length())]
