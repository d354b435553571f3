"""Converts an official benchmark file to a table.

    python -m experiments.import_benchmark --source=NAS-Bench-201-v1_1-096897.pth --out=tables
    python -m experiments.import_benchmark --source=NATS-tss-v1_0-3ffb9-simple --out=tables
    python -m experiments.import_benchmark --source=HW-NAS-Bench-v1_0.pickle --out=tables \\
        --join=tables/nb201.npz --name=nb201_hw
    python -m experiments.compare --benchmark=nb201 --benchmark_dir=tables --workdir=W

Neither TensorFlow nor PyTorch is needed, nothing that a file names is run, and a
file of any size is read within 1 GB of memory.  The layout is told from the
file's name or content; ``--layout`` chooses it.  Exit status 2: a flag that is not
accepted; 3: a file that is damaged or not what its name says; 1: anything else.
"""

from __future__ import annotations

import pathlib
import sys

from absl import flags

from experiments import command
from pnag_jax import benchmarks, spaces
from pnag_jax.benchmarks import importers
from pnag_jax.errors import UsageError


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the program's flags."""
    flags.DEFINE_string("source", None, "Official file or folder.", values, required=True)
    flags.DEFINE_string("out", None, "Folder of the table, made if missing.", values, required=True)
    flags.DEFINE_enum("layout", None, list(importers.LAYOUTS), "What it is.", values)
    flags.DEFINE_string("name", None, "Name of the table; the layout's by default.", values)
    flags.DEFINE_string("join", None, "Table of the same space that gets the columns.", values)


def main(values: flags.FlagValues = flags.FLAGS) -> None:
    """Converts what the flags name, and prints the table's path."""
    source, out = pathlib.Path(values.source), pathlib.Path(values.out)
    if not source.exists():
        raise UsageError(f"--source={source}: no such file or folder")
    layout = importers.LAYOUTS[values.layout] if values.layout else importers.detect(source)
    name = layout.table if values.name is None else values.name
    if not name or "/" in name or name.startswith("."):
        raise UsageError(f"--name={name}: accepted is a plain file name, without .npz")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--out={out}: cannot be made a folder: {error.strerror}") from error
    # Read first: a table that is not there should not cost minutes.
    beside = benchmarks.read_table(values.join) if values.join else None
    command.say(f"reading {source} as {layout.name}")
    rows = layout.read(source)
    path = out / f"{name}.npz"
    rows.save(path, beside)
    size = spaces.get(rows.space).size
    command.say(f"{len(rows):,} rows; the space {rows.space} has {size:,} architectures")
    sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    define_flags()
    command.run(main)
