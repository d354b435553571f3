"""What a table holds for a search at best."""

from __future__ import annotations

import functools

import numpy as np

from pnag_jax.benchmarks.base import Table


@functools.lru_cache(maxsize=64)
def queryable(table: Table, column: str) -> int:
    """Number of distinct valid architectures that have a value in ``column``."""
    return len(np.unique(table.classes[readable(table, column)]))


@functools.lru_cache(maxsize=64)
def optimum(table: Table, column: str, maximize: bool) -> float:
    """The best value of ``column`` among valid architectures; NaN if there is none."""
    values = table.column(column)[readable(table, column)]
    if not len(values):
        return float("nan")
    return float(values.max() if maximize else values.min())


def readable(table: Table, column: str) -> np.ndarray:
    """Rows that a query can read: bool ``[M]``."""
    return table.valid & table.looked_up & ~np.isnan(table.column(column))
