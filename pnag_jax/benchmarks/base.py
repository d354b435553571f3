"""A benchmark table in memory: genotypes at once, measurements when asked for.

Letters used in shapes, here and in the rest of the package: ``M`` rows of a
table, ``L`` genes of a genotype.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import jax
import numpy as np

from pnag_jax import spaces
from pnag_jax.benchmarks.lookup import RowIndex
from pnag_jax.errors import UsageError

# Rows that the space judges in one call: bounds memory and the number of
# shapes that are compiled.
_JUDGE_ROWS = (16, 256, 4096, 16384)


@dataclasses.dataclass(frozen=True, eq=False)
class Table:
    """Real measurements of architectures of one space.

    A genotype that stands in several rows (a benchmark that measured it
    twice) is looked up as the first of them.

    Attributes:
      name: what the table is called in results, e.g. ``"nb201"``.
      space_name: the search space, a name that ``spaces.get`` accepts.
      genotypes: int16 ``[M, L]``, in the space's encoding; read only.
      metrics: full names of the columns, ``"<dataset>/<metric>"``.
      meta: units, sources, licence and notes, as the table gives them.
      source: for people, one line that says where the numbers come from.
      read_column: reads one column by its full name: float32 ``[M]``.
    """

    name: str
    space_name: str
    genotypes: np.ndarray
    metrics: tuple[str, ...]
    meta: dict
    source: str
    read_column: Callable[[str], np.ndarray] = dataclasses.field(repr=False)

    def __post_init__(self):
        self.genotypes.flags.writeable = False

    @property
    def space(self) -> spaces.Space:
        """The search space of the rows."""
        return spaces.get(self.space_name)

    @functools.cached_property
    def datasets(self) -> tuple[str, ...]:
        """Data sets (the part of a column's name before ``/``) in table order."""
        return tuple(dict.fromkeys(metric.split("/", 1)[0] for metric in self.metrics))

    def column(self, metric: str) -> np.ndarray:
        """The measurements of one metric: float32 ``[M]``, read only.

        Read from the source on first use and kept.

        Args:
          metric: a full name, ``"<dataset>/<metric>"``.

        Raises:
          UsageError: no such column; the message lists the accepted ones.
          DataError: the source is damaged.
        """
        if metric not in self.metrics:
            raise UsageError(
                f"table {self.name} has no metric {metric!r}; accepted are "
                + ", ".join(self.metrics)
            )
        if metric not in self._columns:
            values = self.read_column(metric)
            values.flags.writeable = False
            self._columns[metric] = values
        return self._columns[metric]

    def rows(self, genotypes: np.ndarray) -> np.ndarray:
        """The row of each genotype: int ``[..., L] -> int64 [...]``, -1 where absent."""
        return self._index.find(genotypes)

    def class_rows(self, canonical: np.ndarray) -> np.ndarray:
        """The first row of each isomorphism class: int ``[..., L] -> int64 [...]``.

        Args:
          canonical: representatives, as ``space.canonical`` gives them.

        Returns:
          A row number that names the class; -1 where the table has no member.
        """
        found = self._class_index.find(canonical)
        return np.where(found >= 0, self._valid_rows[found], -1)

    @functools.cached_property
    def looked_up(self) -> np.ndarray:
        """Whether each row is the one that its genotype is looked up as: bool ``[M]``."""
        return self.rows(self.genotypes) == np.arange(len(self.genotypes))

    @functools.cached_property
    def valid(self) -> np.ndarray:
        """Whether the space accepts each row: bool ``[M]``."""
        return self._judged[0]

    @functools.cached_property
    def classes(self) -> np.ndarray:
        """The isomorphism class of each row, as its first row: int64 ``[M]``.

        -1 for rows that the space does not accept.
        """
        return np.where(self.valid, self.class_rows(self._judged[1]), -1)

    @functools.cached_property
    def _columns(self) -> dict[str, np.ndarray]:
        return {}

    @functools.cached_property
    def _index(self) -> RowIndex:
        return RowIndex(self.genotypes, self.space.choices)

    @functools.cached_property
    def _judged(self) -> tuple[np.ndarray, np.ndarray]:
        return judge(self.space, self.genotypes)

    @functools.cached_property
    def _valid_rows(self) -> np.ndarray:
        # One more, so that position -1 exists when no row is valid.
        return np.append(np.flatnonzero(self.valid), -1)

    @functools.cached_property
    def _class_index(self) -> RowIndex:
        # Of valid rows only: the canonical form of others means nothing.
        return RowIndex(self._judged[1][self.valid], self.space.choices)


def judge(space: spaces.Space, genotypes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Validity and canonical form: int ``[n, L] -> bool [n], int32 [n, L]``.

    Works in batches of a few fixed sizes, so that calls with ever new ``n``
    do not compile anew.  The canonical form of an invalid genotype with genes
    out of range means nothing.
    """
    count = len(genotypes)
    valid = np.zeros(count, bool)
    canonical = np.zeros((count, space.genotype_length), np.int32)
    start = 0
    while start < count:
        left = count - start
        size = next((rows for rows in _JUDGE_ROWS if rows >= left), _JUDGE_ROWS[-1])
        part = slice(start, start + size)
        batch = np.zeros((size, space.genotype_length), np.int32)
        batch[: min(left, size)] = genotypes[part]
        ok, form = _jitted_judge(space)(batch)
        valid[part] = np.asarray(ok)[:left]
        canonical[part] = np.asarray(form)[:left]
        start += size
    return valid, canonical


@functools.cache
def _jitted_judge(space: spaces.Space) -> Callable:
    return jax.jit(lambda genotypes: (space.is_valid(genotypes), space.canonical(genotypes)))
