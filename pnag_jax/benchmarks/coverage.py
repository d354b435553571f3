"""What of a space a search of a table can reach."""

from __future__ import annotations

import functools

import jax
import numpy as np

from pnag_jax import spaces
from pnag_jax.benchmarks.base import Table, judge
from pnag_jax.benchmarks.optimum import readable

# Uniform draws that a table must hold to count as whole.
_DRAWS = 1024


@functools.lru_cache(maxsize=64)
def searchable(table: Table, column: str) -> spaces.Space:
    """The space of a table, restricted to what it holds where that is only a part.

    A table counts as whole when all of 1,024 uniform draws from its space have
    a value in ``column``.
    """
    rows = np.flatnonzero(readable(table, column))
    measured = np.zeros(len(table.classes), bool)
    measured[table.classes[rows]] = True
    drawn = np.asarray(table.space.sample(jax.random.key(0), _DRAWS))
    found = table.class_rows(judge(table.space, drawn)[1])
    if (found >= 0).all() and measured[found].all():
        return table.space
    return spaces.restrict(table.space, table.genotypes[rows])
