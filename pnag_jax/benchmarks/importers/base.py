"""What every importer does: collect rows, check numbers, write a table."""

from __future__ import annotations

import array
import math
import pathlib
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from pnag_jax import spaces
from pnag_jax.benchmarks import tables
from pnag_jax.benchmarks.base import Table
from pnag_jax.benchmarks.lookup import RowIndex
from pnag_jax.errors import DataError, UsageError

# Bytes at the start of a file that tell its layout.
HEAD_BYTES = 65536


class Layout(NamedTuple):
    """One official layout.

    Attributes:
      name: what ``--layout`` calls it.
      table: name of the table that it becomes, without ``.npz``.
      names: patterns of the official file's or folder's name.
      has: whether the content at a path is of this layout, from a first look;
        never raises for a file of another kind.
      read: the rows of a file or folder.
    """

    name: str
    table: str
    names: tuple[str, ...]
    has: Callable[[pathlib.Path], bool]
    read: Callable[[pathlib.Path], Rows]


class Rows:
    """Rows of a table to be, appended one at a time.

    Args:
      source: the file or folder, for messages.
      space: the name of the space.
      meta: what the table says of itself.
    """

    def __init__(self, source: pathlib.Path, space: str, meta: Mapping[str, Any]):
        self.source = source
        self.space = space
        self.meta = dict(meta)
        self._genes = array.array("h")
        self._columns: dict[str, array.array] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, genotype: Iterable[int], values: Mapping[str, float]) -> None:
        """One architecture and its measurements by full name; absent ones are NaN."""
        self._genes.extend(genotype)
        for name in values:
            if name not in self._columns:
                self._columns[name] = array.array("f", [math.nan]) * self._count
        for name, column in self._columns.items():
            column.append(values.get(name, math.nan))
        self._count += 1

    def extend(self, genotypes: np.ndarray, columns: Mapping[str, np.ndarray]) -> None:
        """Many architectures at once, the first of all: int ``[M, L]``, numbers ``[M]``."""
        self._genes.frombytes(genotypes.astype(np.int16).tobytes())
        for name, values in columns.items():
            self._columns[name] = array.array("f", values.astype(np.float32).tobytes())
        self._count = len(genotypes)

    @property
    def genotypes(self) -> np.ndarray:
        """int16 ``[M, L]``."""
        length = spaces.get(self.space).genotype_length
        return np.frombuffer(self._genes, np.int16).reshape(-1, length)

    def save(self, path: pathlib.Path, beside: Table | None = None) -> None:
        """Writes the table.

        Args:
          path: where to.
          beside: a table of the same space; what is written then has its rows and
            its columns, with these beside them.

        Raises:
          DataError: there are no rows, or one architecture stands there twice.
          UsageError: ``beside`` is of another space or has a column of the same name.
          UserError: the file cannot be written.
        """
        if not self._count:
            raise DataError(f"{self.source}: holds no architecture")
        genotypes = self.genotypes
        _, first = np.unique(genotypes, axis=0, return_index=True)
        if len(first) < self._count:
            row = int(np.setdiff1d(np.arange(self._count), first)[0])
            text = spaces.get(self.space).to_string(genotypes[row].astype(int))
            raise DataError(f"{self.source}: holds the architecture {text!r} twice")
        columns = {
            name: np.frombuffer(values, np.float32) for name, values in self._columns.items()
        }
        told = {name: values for name, values in columns.items() if not np.isnan(values).all()}
        meta = self.meta
        if beside is not None:
            told, meta = self._joined(told, beside)
            genotypes = beside.genotypes
        tables.save_table(path, space=self.space, genotypes=genotypes, columns=told, meta=meta)

    def _joined(
        self, columns: Mapping[str, np.ndarray], beside: Table
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Columns and meta of a table with these beside it, in the order of its rows."""
        if beside.space_name != self.space:
            raise UsageError(
                f"{beside.source}: is of the space {beside.space_name!r}, not {self.space!r}"
            )
        if both := sorted(set(columns) & set(beside.metrics)):
            raise UsageError(f"{beside.source}: has columns of the same name: {', '.join(both)}")
        own = RowIndex(self.genotypes, beside.space.choices).find(beside.genotypes)
        result = {name: beside.column(name) for name in beside.metrics}
        for name, values in columns.items():
            result[name] = np.where(own >= 0, values[own], np.float32(np.nan))
        return result, {**beside.meta, "joined": [*beside.meta.get("joined", ()), self.meta]}


def number(value: Any, what: str, low: float = -math.inf, high: float = math.inf) -> float:
    """A finite number within bounds; ``DataError`` names ``what`` otherwise."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise DataError(f"{what}: {value!r:.60} is not a finite number")
    if not low <= value <= high:
        raise DataError(f"{what}: {value!r}; accepted are {low:g} .. {high:g}")
    return float(value)


def measured(value: Any, what: str) -> float:
    """A number as a file has it; NaN where it is no finite one, as after a failed training."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return math.nan
    return number(value, what)


def member(holder: Any, key: Any, what: str, kind: type | tuple[type, ...] = dict) -> Any:
    """``holder[key]`` of the expected kind; ``DataError`` names ``what`` otherwise."""
    if not isinstance(holder, dict) or key not in holder:
        raise DataError(f"{what}: has no {key!r}")
    value = holder[key]
    if not isinstance(value, kind):
        raise DataError(f"{what}: {key!r} is a {type(value).__name__}")
    return value


def mean(values: Sequence[float]) -> float:
    """NaN where there is none."""
    return math.fsum(values) / len(values) if values else math.nan


def genotype(space: spaces.Space, text: Any, what: str) -> np.ndarray:
    """The genotype that a text of the field's format means; ``DataError`` names ``what``."""
    try:
        return space.from_string(text)
    except (spaces.SpaceError, AttributeError) as error:
        raise DataError(f"{what}: {error}") from error


def head(path: pathlib.Path) -> bytes:
    """The first bytes of a file; empty where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(HEAD_BYTES)
    except OSError:
        return b""


def drained(
    entries: Generator[tuple[Any, Any], None, Any], each: Callable[[Any, Any], None]
) -> Any:
    """Calls ``each`` with every entry; the generator's return value."""
    while True:
        try:
            key, value = next(entries)
        except StopIteration as end:
            return end.value
        each(key, value)
