"""What the arrays of a table may be, checked one by one."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Sequence

import numpy as np

from pnag_jax import spaces
from pnag_jax.archives import array
from pnag_jax.errors import DataError, UsageError


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
