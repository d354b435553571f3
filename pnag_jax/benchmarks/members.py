"""The arrays of an ``.npz`` file, read without pickles and checked one by one."""

from __future__ import annotations

import contextlib
import json
import pathlib
from collections.abc import Iterator, Sequence

import numpy as np

from pnag_jax import spaces
from pnag_jax.errors import DataError, UsageError

# Uncompressed bytes that a file may hold; no table comes near.
_MAX_BYTES = 2**30


@contextlib.contextmanager
def opened(path: pathlib.Path) -> Iterator[np.lib.npyio.NpzFile]:
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


def array(archive: np.lib.npyio.NpzFile, path: pathlib.Path, key: str) -> np.ndarray:
    """One array; ``DataError`` if it cannot be read."""
    try:
        value = archive[key]
    # As above: zip, zlib or the array's own header.
    except Exception as error:
        raise DataError(f"{path}: {key}: cannot be read: {error}") from error
    if not isinstance(value, np.ndarray):
        raise DataError(f"{path}: {key}: is not an array")
    return value


def text(archive: np.lib.npyio.NpzFile, path: pathlib.Path, key: str) -> str:
    """One string; ``DataError`` if it is none."""
    value = array(archive, path, key)
    if value.shape != () or value.dtype.kind != "U":
        raise DataError(f"{path}: {key}: shape {value.shape} of {value.dtype}; expected one string")
    return str(value)


def check_space(path: pathlib.Path, found: str, expected: str | None) -> spaces.Space:
    """The space of that name, which must be the expected one if there is one."""
    if expected is not None and found != expected:
        raise DataError(f"{path}: space: {found!r}; expected {expected!r}")
    if found not in spaces.names():
        raise UsageError(
            f"{path}: space: {found!r} is unknown; accepted are {', '.join(spaces.names())}"
        )
    return spaces.get(found)


def read_genotypes(
    archive: np.lib.npyio.NpzFile, path: pathlib.Path, space: spaces.Space
) -> np.ndarray:
    """The member ``arch`` in the space's encoding: int64 ``[M, L]``."""
    written = array(archive, path, "arch")
    check_rows(path, written, space.columns, space.column_values)
    columns = tuple(array(archive, path, "arch_fields").tolist())
    if columns != space.columns:
        raise DataError(f"{path}: arch_fields: {columns}; expected {space.columns}")
    try:
        return space.from_columns(written)
    except spaces.SpaceError as error:
        raise DataError(f"{path}: arch: {error}") from error


def check_rows(
    path: pathlib.Path,
    rows: np.ndarray,
    columns: Sequence[str],
    accepted: Sequence[Sequence[int]],
) -> None:
    """Refuses what is not integers ``[M, columns]`` of those that are accepted of each."""
    length = len(columns)
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
            f"{path}: arch: row {row}, {columns[gene]} = {rows[row, gene]}; "
            f"accepted are {spaces.listed(accepted[gene])}"
        )


def parse_meta(path: pathlib.Path, text: str) -> dict:
    """The member ``meta`` as a dictionary."""
    try:
        meta = json.loads(text)
    except ValueError as error:
        raise DataError(f"{path}: meta: is not JSON: {error}") from error
    if not isinstance(meta, dict):
        raise DataError(f"{path}: meta: is not a JSON object")
    return meta
