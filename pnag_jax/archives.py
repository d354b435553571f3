"""The arrays of an ``.npz`` file, read without pickles and held to a size."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Iterator

import numpy as np

from pnag_jax.errors import DataError, UsageError

# Uncompressed bytes that a file may hold; no table comes near.
MAX_BYTES = 2**30


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
        if held > MAX_BYTES:
            raise DataError(f"{path}: holds {held:,} bytes; accepted are {MAX_BYTES:,}")
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
