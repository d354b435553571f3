"""What all cells share, made once: ``python -m experiments.scaling_study.prepare JOB.json``.

The program itself never starts JAX: accelerators that it held would be closed
to the processes that measure them.
"""

from __future__ import annotations

import json
import pathlib
import pickle
import sys

import jax

from experiments import command
from experiments.bench import generators
from pnag_jax import spaces
from pnag_jax.training import files

# Epochs of the generator: tables of the same form and about the same size as after many.
EPOCHS = 2


def main(path: str) -> None:
    """Trains the generator where there is none yet, and tells what this machine is."""
    job = json.loads(pathlib.Path(path).read_text())
    files.write_json(
        job["environment"], command.environment() | {"local": jax.local_device_count()}
    )
    if not pathlib.Path(job["generator"]).exists():
        generator, _ = generators.train(jax.random.key(0), spaces.get(job["space"]), EPOCHS)
        files.write_bytes(job["generator"], pickle.dumps(generator))


if __name__ == "__main__":
    main(sys.argv[1])
