"""Writing files so that a reader never sees half of one.

Every function turns an ``OSError`` (disk full, read-only, quota, a symbolic
link in the way) into a one-line :class:`~pnag_jax.errors.UserError` with the
path and the reason.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from pnag_jax.errors import UserError

StrPath = str | os.PathLike[str]


@contextlib.contextmanager
def writing(path: StrPath) -> Iterator[None]:
    """Turns an ``OSError`` of the block into ``UserError``: path and reason."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{path}: cannot write: {error.strerror or error}") from error


def plain(value: Any) -> Any:
    """The JSON form of ``value``, the same for equal values on every machine.

    Mappings become dicts with string keys, sequences and arrays lists, paths
    strings.  A float of 32 bits or fewer is written with the fewest digits
    that give it back (0.1, not 0.10000000149011612).  NaN and infinities have
    no JSON form and become ``None``.

    Raises:
      TypeError: something else than data, for instance a function.
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "__array__"):
        array = np.asarray(value)
        if array.ndim:
            return [plain(item) for item in array]
        if array.dtype.kind in "biuU":
            return array.item()
        if array.dtype.kind in "fV":  # "V": the floats of ml_dtypes, bfloat16 among them
            number = float(array)
            if math.isfinite(number) and array.dtype != np.float64:
                number = float(str(array[()]))
            return plain(number)
    raise TypeError(f"no JSON form for {type(value).__name__}")


def sync_folder(folder: StrPath) -> None:
    """Makes the names in ``folder`` durable, where the system can."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return  # some systems do not open folders; the rename is atomic all the same
    try:
        os.fsync(descriptor)
    except OSError:
        pass
    finally:
        os.close(descriptor)


def write_bytes(path: StrPath, data: bytes) -> None:
    """Replaces ``path`` by ``data`` in one step: temporary file, fsync, rename.

    A symbolic link at ``path`` is replaced, never followed.

    Raises:
      UserError: the system refuses; the old file is whole.
    """
    path = pathlib.Path(path)
    temporary = path.with_name(f".{path.name}.tmp")
    with writing(path):
        try:
            # A fixed name: what a killed writer left is overwritten, not piled up.
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            with os.fdopen(os.open(temporary, flags, 0o644), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
    sync_folder(path.parent)


def write_text(path: StrPath, text: str) -> None:
    """As :func:`write_bytes`, in UTF-8."""
    write_bytes(path, text.encode())


def write_json(path: StrPath, value: Any) -> None:
    """As :func:`write_bytes`, with the :func:`plain` form of ``value``, indented."""
    write_text(path, json.dumps(plain(value), indent=2, allow_nan=False) + "\n")


def sha256(path: StrPath) -> str:
    """The SHA-256 of a file, in hexadecimal digits.

    Raises:
      OSError: it cannot be read.
    """
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
