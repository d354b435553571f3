"""A table that comes with this package: cells that were trained with it.

``nb201:digits`` is written by ``experiments.train_architectures``; its ``meta``
holds the command.  Cells are drawn uniformly, so that it covers a part of the
space.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.resources
import pathlib

from pnag_jax.benchmarks import tables
from pnag_jax.benchmarks.base import Table


@functools.lru_cache(maxsize=1)
def digits() -> Table:
    """NAS-Bench-201 cells in a small network, on the 8 x 8 digits of scikit-learn.

    Raises:
      DataError: the file is damaged.
      UsageError: it is missing.
    """
    file = importlib.resources.files("pnag_jax") / "data" / "nb201_digits.npz"
    table = tables.read_table(pathlib.Path(str(file)), space="nb201")
    seeds = sum("/test_accuracy_seed" in metric for metric in table.metrics)
    return dataclasses.replace(
        table,
        name="nb201:digits",
        source=f"pnag_jax ({len(table.genotypes):,} cells trained on 8 x 8 digits, {seeds} seeds)",
    )
