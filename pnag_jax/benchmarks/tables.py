"""Tables on disk: version 1 of the ``.npz`` format.

A file is a zip archive of arrays without pickles:

* ``space``: str, the name of the search space;
* ``arch``: int ``[M, L]``, one genotype a row, each gene as the number that it
  stands for (the space's ``gene_values``, or what its ``from_columns`` reads);
* ``arch_fields``: str ``[L]``, the space's name of each column;
* ``<dataset>/<metric>``: float32 ``[M]``, NaN where missing;
* ``meta``: str, a JSON object (units, sources, licence, notes).

An architecture that was measured twice may stand in two rows; the first is
the one that is looked up.  A row that repeats another in every value is not a
second measurement but damage.
"""

from __future__ import annotations

import json
import os
import pathlib
import tempfile
import zipfile
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from pnag_jax import archives, spaces
from pnag_jax.benchmarks import members
from pnag_jax.benchmarks.base import Table
from pnag_jax.benchmarks.lookup import RowIndex
from pnag_jax.errors import DataError, UserError

_HEADER = ("space", "arch", "arch_fields", "meta")


def read_table(path: str | os.PathLike, *, space: str | None = None) -> Table:
    """Opens a table and checks all of it; columns are then read when asked for.

    Every array is read once, so that a damaged file is found here and not in
    the middle of a run, and only the genotypes are kept.

    Args:
      path: the ``.npz`` file.
      space: the space that the file must be of; any if None.

    Returns:
      The table, named after the file.

    Raises:
      DataError: the file is damaged, not a table or of another space; the
        message names file and field.
      UsageError: there is no such file, or its space is not one of ours.
    """
    path = pathlib.Path(path)
    with archives.opened(path) as archive:
        keys = tuple(archive.files)
        if missing := [key for key in _HEADER if key not in keys]:
            raise DataError(f"{path}: {', '.join(missing)} missing; not a table of format 1")
        metrics = tuple(key for key in keys if key not in _HEADER)
        owner = members.check_space(path, members.text(archive, path, "space"), space)
        genotypes = members.read_genotypes(archive, path, owner)
        meta = members.parse_meta(path, members.text(archive, path, "meta"))
        if not metrics:
            raise DataError(f"{path}: no <dataset>/<metric> column")
        repeated = _Repeats(genotypes, owner.choices)
        for metric in metrics:
            repeated.add(_read_column(archive, path, metric, len(genotypes)))
        repeated.check(path)

    def read_column(metric: str) -> np.ndarray:
        with archives.opened(path) as archive:
            return _read_column(archive, path, metric, len(genotypes))

    return Table(
        name=path.stem,
        space_name=owner.name,
        genotypes=genotypes.astype(np.int16),
        metrics=metrics,
        meta=meta,
        source=f"{path} ({len(genotypes):,} rows)",
        read_column=read_column,
    )


def save_table(
    path: str | os.PathLike,
    *,
    space: str,
    genotypes: ArrayLike,
    columns: Mapping[str, ArrayLike],
    meta: Mapping,
) -> None:
    """Writes a table that ``read_table`` accepts, whole or not at all.

    Args:
      path: where to; an existing file is replaced.
      space: the name of the space.
      genotypes: int ``[M, L]``, in the space's encoding.
      columns: measurements by full name, float ``[M]`` each, NaN where missing.
      meta: what to say about them; must fit into JSON.

    Raises:
      DataError: ``read_table`` would not accept the result.
      SpaceError: there is no such space.
      UserError: the file cannot be written; the message has path and reason.
    """
    path = pathlib.Path(path)
    owner = spaces.get(space)
    rows = np.asarray(genotypes)
    members.check_rows(path, rows, owner.fields, tuple(map(range, owner.choices)))
    arrays: dict[str, np.ndarray] = {
        "space": np.array(space),
        "arch": owner.to_columns(rows).astype(np.int16),
        "arch_fields": np.array(owner.columns),
        "meta": np.array(json.dumps(dict(meta), indent=1)),
        **{name: np.asarray(values, np.float32) for name, values in columns.items()},
    }
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
            draft = pathlib.Path(folder) / path.name
            with draft.open("wb") as file:
                # One member at a time: as keyword arguments, names could clash.
                with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                    for name, values in arrays.items():
                        with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                            np.lib.format.write_array(member, values, allow_pickle=False)
                file.flush()
                os.fsync(file.fileno())
            read_table(draft, space=space)
            os.replace(draft, path)
    except DataError as error:
        raise DataError(str(error).replace(str(draft), str(path))) from error
    except OSError as error:
        raise UserError(f"{path}: cannot write: {error.strerror or error}") from error


def looks_like_table(path: str | os.PathLike) -> bool:
    """Whether a file has the keys of a table of a known space; nothing else is checked."""
    path = pathlib.Path(path)
    try:
        with archives.opened(path) as archive:
            missing = set(_HEADER).difference(archive.files)
            metrics = set(archive.files).difference(_HEADER)
            keys_fit = not missing and all("/" in metric for metric in metrics)
            return keys_fit and members.text(archive, path, "space") in spaces.names()
    except UserError:
        return False


def _read_column(
    archive: np.lib.npyio.NpzFile, path: pathlib.Path, metric: str, rows: int
) -> np.ndarray:
    if not all(metric.partition("/")):
        raise DataError(f"{path}: {metric}: is neither <dataset>/<metric> nor a key of the format")
    values = archives.array(archive, path, metric)
    if values.shape != (rows,) or values.dtype != np.float32:
        raise DataError(
            f"{path}: {metric}: shape {values.shape} of {values.dtype}; expected ({rows},) float32"
        )
    if np.isnan(values).all():
        raise DataError(f"{path}: {metric}: every value is NaN")
    if np.isinf(values).any():
        row = int(np.flatnonzero(np.isinf(values))[0])
        raise DataError(f"{path}: {metric}: row {row} is infinite; NaN marks a missing value")
    return values


class _Repeats:
    """Finds rows that repeat another row in genotype and every measurement."""

    def __init__(self, genotypes: np.ndarray, choices: tuple[int, ...]):
        first = RowIndex(genotypes, choices).find(genotypes)
        count = np.bincount(first, minlength=len(genotypes))
        self._rows = np.flatnonzero(count[first] > 1)
        self._parts = [first[self._rows]]

    def add(self, column: np.ndarray) -> None:
        # Bit patterns, so that NaN equals NaN.
        self._parts.append(column[self._rows].view(np.int32).astype(np.int64))

    def check(self, path: pathlib.Path) -> None:
        if not len(self._rows):
            return
        _, first, group = np.unique(
            np.stack(self._parts, axis=1), axis=0, return_index=True, return_inverse=True
        )
        repeats = first[group.reshape(-1)] != np.arange(len(self._rows))
        if repeats.any():
            row = int(np.flatnonzero(repeats)[0])
            original = int(self._rows[first[group.reshape(-1)[row]]])
            raise DataError(
                f"{path}: arch: {int(repeats.sum())} duplicate rows, the first is row "
                f"{int(self._rows[row])}, which repeats row {original} in every value"
            )
