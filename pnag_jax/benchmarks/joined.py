"""Columns of another table of the same architectures.

Robustness was measured by one group, latency by another, both on all cells of
NAS-Bench-201: with ``analog/analog_accuracy`` beside ``latency_ms/pixel3`` a
search weighs the two.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from pnag_jax.benchmarks import packages
from pnag_jax.benchmarks.base import Table

# By space: the data set's name in the joined table, the table, its data set.
_OTHERS = {"nb201": ("analog", "nb201:analog", "cifar10")}


def widened(table: Table, *wanted: str | None) -> Table:
    """``table`` with the columns of another that ``wanted`` names, if any does.

    Args:
      table: rows that the other table lacks get NaN.
      wanted: texts with the names of metrics; the other table is opened only
        where one of them begins with its data set.

    Raises:
      MissingTableError: the other table is not installed.
      DataError: it is damaged.
    """
    if table.space_name not in _OTHERS:
        return table
    name, source, dataset = _OTHERS[table.space_name]
    if name in table.datasets or not any(f"{name}/" in text for text in wanted if text):
        return table
    other = packages.load(source)
    rows = other.rows(table.genotypes)
    prefix = f"{dataset}/"
    theirs = {
        f"{name}/{metric.removeprefix(prefix)}": metric
        for metric in other.metrics
        if metric.startswith(prefix)
    }

    def read_column(metric: str) -> np.ndarray:
        if metric not in theirs:
            return np.array(table.column(metric))
        return np.where(rows >= 0, other.column(theirs[metric])[rows], np.float32(np.nan))

    return dataclasses.replace(
        table,
        metrics=(*table.metrics, *theirs),
        source=f"{table.source}; {name}/ from {other.source}",
        read_column=read_column,
    )
