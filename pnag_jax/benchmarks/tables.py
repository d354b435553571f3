"""Tables on disk: version 1 of the ``.npz`` format.

A file is a zip archive of arrays without pickles:

* ``space``: str, the name of the search space;
* ``arch``: int ``[M, L]``, one genotype a row, each gene as the number that it
  stands for (the space's ``gene_values``);
* ``arch_fields``: str ``[L]``, the space's name of each gene;
* ``<dataset>/<metric>``: float32 ``[M]``, NaN where missing;
* ``meta``: str, a JSON object (units, sources, licence, notes).

An architecture that was measured twice may stand in two rows; the first is
the one that is looked up.  A row that repeats another in every value is not a
second measurement but damage.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from pnag_jax import spaces
from pnag_jax.benchmarks.base import Table
from pnag_jax.benchmarks.lookup import RowIndex
from pnag_jax.errors import DataError, UsageError, UserError

_HEADER = ("space", "arch", "arch_fields", "meta")

# Uncompressed bytes that a file may hold; no table comes near.
_MAX_BYTES = 2**30


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
    with _opened(path) as archive:
        keys = tuple(archive.files)
        if missing := [key for key in _HEADER if key not in keys]:
            raise DataError(f"{path}: {', '.join(missing)} missing; not a table of format 1")
        metrics = tuple(key for key in keys if key not in _HEADER)
        owner = _check_space(path, _text(archive, path, "space"), space)
        genotypes = _read_genotypes(archive, path, owner)
        meta = _parse_meta(path, _text(archive, path, "meta"))
        if not metrics:
            raise DataError(f"{path}: no <dataset>/<metric> column")
        repeated = _Repeats(genotypes, owner.choices)
        for metric in metrics:
            repeated.add(_read_column(archive, path, metric, len(genotypes)))
        repeated.check(path)

    def read_column(metric: str) -> np.ndarray:
        with _opened(path) as archive:
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
    _check_genotypes(path, rows, owner, tuple(map(range, owner.choices)))
    numbers = [
        np.asarray(values)[genes] for values, genes in zip(owner.gene_values, rows.T, strict=True)
    ]
    arrays: dict[str, np.ndarray] = {
        "space": np.array(space),
        "arch": np.stack(numbers, axis=1).astype(np.int16),
        "arch_fields": np.array(owner.fields),
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
        with _opened(path) as archive:
            missing = set(_HEADER).difference(archive.files)
            metrics = set(archive.files).difference(_HEADER)
            keys_fit = not missing and all("/" in metric for metric in metrics)
            return keys_fit and _text(archive, path, "space") in spaces.names()
    except UserError:
        return False


@contextlib.contextmanager
def _opened(path: pathlib.Path) -> Iterator[np.lib.npyio.NpzFile]:
    """The archive, with everything that can be wrong with it as a ``UserError``."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(16)
    except OSError as error:
        raise UsageError(f"{path}: cannot read: {error.strerror or error}") from error
    if size == 0:
        raise DataError(f"{path}: is empty (zero bytes)")
    if not start.startswith(b"PK"):
        raise DataError(f"{path}: is not an .npz archive, it begins with {start!r}")
    try:
        archive = np.load(path, allow_pickle=False)
    # Damaged bytes may fail anywhere below.
    except Exception as error:
        raise DataError(f"{path}: is truncated or damaged: {error}") from error
    with archive:
        held = sum(member.file_size for member in archive.zip.infolist())
        if held > _MAX_BYTES:
            raise DataError(f"{path}: holds {held:,} bytes; accepted are {_MAX_BYTES:,}")
        yield archive


def _array(archive: np.lib.npyio.NpzFile, path: pathlib.Path, key: str) -> np.ndarray:
    try:
        value = archive[key]
    # As above: zip, zlib or the array's own header.
    except Exception as error:
        raise DataError(f"{path}: {key}: cannot be read: {error}") from error
    if not isinstance(value, np.ndarray):
        raise DataError(f"{path}: {key}: is not an array")
    return value


def _text(archive: np.lib.npyio.NpzFile, path: pathlib.Path, key: str) -> str:
    value = _array(archive, path, key)
    if value.shape != () or value.dtype.kind != "U":
        raise DataError(f"{path}: {key}: shape {value.shape} of {value.dtype}; expected one string")
    return str(value)


def _check_space(path: pathlib.Path, found: str, expected: str | None) -> spaces.Space:
    if expected is not None and found != expected:
        raise DataError(f"{path}: space: {found!r}; expected {expected!r}")
    if found not in spaces.names():
        raise UsageError(
            f"{path}: space: {found!r} is unknown; accepted are {', '.join(spaces.names())}"
        )
    return spaces.get(found)


def _read_genotypes(
    archive: np.lib.npyio.NpzFile, path: pathlib.Path, space: spaces.Space
) -> np.ndarray:
    written = _array(archive, path, "arch")
    _check_genotypes(path, written, space, space.gene_values)
    fields = tuple(_array(archive, path, "arch_fields").tolist())
    if fields != space.fields:
        raise DataError(f"{path}: arch_fields: {fields}; expected {space.fields}")
    genes = [np.searchsorted(*pair) for pair in zip(space.gene_values, written.T, strict=True)]
    return np.stack(genes, axis=1)


def _check_genotypes(
    path: pathlib.Path,
    rows: np.ndarray,
    space: spaces.Space,
    accepted: Sequence[Sequence[int]],
) -> None:
    """Refuses what is not int ``[M, L]`` of the numbers that are accepted of each gene."""
    length = space.genotype_length
    if rows.ndim != 2 or rows.shape[1] != length or rows.dtype.kind not in "iu":
        raise DataError(
            f"{path}: arch: shape {rows.shape} of {rows.dtype}; expected [rows, {length}] integers"
        )
    if not len(rows):
        raise DataError(f"{path}: arch: no rows")
    known = [np.isin(genes, list(numbers)) for genes, numbers in zip(rows.T, accepted, strict=True)]
    bad = np.argwhere(~np.stack(known, axis=1))
    if len(bad):
        row, gene = bad[0]
        raise DataError(
            f"{path}: arch: row {row}, {space.fields[gene]} = {rows[row, gene]}; "
            f"accepted are {', '.join(map(str, accepted[gene]))}"
        )


def _parse_meta(path: pathlib.Path, text: str) -> dict:
    try:
        meta = json.loads(text)
    except ValueError as error:
        raise DataError(f"{path}: meta: is not JSON: {error}") from error
    if not isinstance(meta, dict):
        raise DataError(f"{path}: meta: is not a JSON object")
    return meta


def _read_column(
    archive: np.lib.npyio.NpzFile, path: pathlib.Path, metric: str, rows: int
) -> np.ndarray:
    if not all(metric.partition("/")):
        raise DataError(f"{path}: {metric}: is neither <dataset>/<metric> nor a key of the format")
    values = _array(archive, path, metric)
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
