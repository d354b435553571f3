"""What all cells share, made once: ``python -m experiments.scaling_study.prepare JOB.json``.

The program itself never starts JAX: accelerators that it held would be closed
to the processes that measure them.
"""

from __future__ import annotations

import json
import pathlib
import sys
from collections.abc import Mapping
from typing import Any

import jax

from experiments import command
from experiments.bench import generators
from pnag_jax import spaces
from pnag_jax.generation import Generator
from pnag_jax.training import files

# Epochs of the generator: tables of the same form and about the same size as after many.
EPOCHS = 2


def main(path: str) -> None:
    """Trains the generator where there is none yet, and tells what this machine is."""
    job = json.loads(pathlib.Path(path).read_text())
    found = command.environment() | {"local": jax.local_device_count()}
    files.write_json(job["environment"], found)
    shared_generator(job)


def shared_generator(job: Mapping[str, Any]) -> Generator:
    """The generator that all cells measure or compile; the first process trains it.

    Args:
      job: with ``space``, and ``generator``, the folder of its checkpoint.
    """
    space, folder = spaces.get(job["space"]), pathlib.Path(job["generator"])
    return generators.kept(jax.random.key(0), space, EPOCHS, folder)


if __name__ == "__main__":
    main(sys.argv[1])
