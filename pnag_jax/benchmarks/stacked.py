"""Several tables of one space as one: the rows below each other.

LiteTransformerSearch measured other models on each of its data sets, one file
each.  Together they are the table of the space, whose data sets a search then
chooses from as anywhere else: ``wt103@valid``.
"""

from __future__ import annotations

import pathlib
from collections.abc import Mapping

import numpy as np

from pnag_jax.benchmarks import tables
from pnag_jax.benchmarks.base import Table

# By space: the data set that each file is of.
PARTS: Mapping[str, Mapping[str, str]] = {"gpt2": {"wt103": "gpt2_wt103", "lm1b": "gpt2_lm1b"}}


def files(space: str, folder: pathlib.Path) -> dict[str, pathlib.Path]:
    """The files of a folder that make the table of a space, by data set; perhaps none."""
    named = {dataset: folder / f"{stem}.npz" for dataset, stem in PARTS.get(space, {}).items()}
    return {dataset: path for dataset, path in named.items() if path.is_file()}


def read(space: str, parts: Mapping[str, pathlib.Path]) -> Table:
    """The rows of all files; what a row was not measured on is NaN.

    A column ``<anything>/<metric>`` of a part becomes ``<data set>/<metric>``.

    Args:
      space: that all files must be of.
      parts: a file a data set, at least one.

    Raises:
      DataError: a file is damaged or of another space.
    """
    opened = {name: tables.read_table(path, space=space) for name, path in parts.items()}
    sizes = [len(table.genotypes) for table in opened.values()]
    starts = dict(zip(opened, np.cumsum([0, *sizes]).tolist(), strict=False))
    columns = {
        f"{name}/{metric.partition('/')[2]}": (name, metric)
        for name, table in opened.items()
        for metric in table.metrics
    }

    def read_column(metric: str) -> np.ndarray:
        name, theirs = columns[metric]
        values = opened[name].column(theirs)
        column = np.full(sum(sizes), np.nan, np.float32)
        column[starts[name] : starts[name] + len(values)] = values
        return column

    return Table(
        name=space,
        space_name=space,
        genotypes=np.concatenate([table.genotypes for table in opened.values()]),
        metrics=tuple(columns),
        meta={name: table.meta for name, table in opened.items()},
        source="; ".join(table.source for table in opened.values()),
        read_column=read_column,
    )
