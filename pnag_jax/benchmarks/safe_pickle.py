"""Reads pickles that others wrote, without running anything of theirs.

A pickle is a program: it may name any importable function and call it.  Here
every global that it names is looked up in an allow-list of inert stand-ins,
and whatever is not on the list is refused by name before it is used.  Nothing
is ever imported.
"""

from __future__ import annotations

import io
import os
import pathlib
import pickle
import struct
from collections.abc import Mapping
from typing import Any

from pnag_jax.errors import DataError

MAX_BYTES = 64 * 2**20


class Sealed(type):
    """Classes that a pickle cannot write to."""

    def __setattr__(cls, name: str, value: object) -> None:
        raise DataError(f"a pickle tries to set {name} of {cls.__name__}")


class Inert(metaclass=Sealed):
    """Stands in for a class: keeps what it was given, does nothing.

    Attributes:
      args: positional arguments of the constructor.
      state: what the pickle wanted to restore, usually a dict; None if nothing.
    """

    __slots__ = ("args", "state")
    args: tuple[Any, ...]
    state: Any

    def __new__(cls, *args: Any) -> Inert:
        self = super().__new__(cls)
        self.args = args
        self.state = None
        return self

    def __setstate__(self, state: Any) -> None:
        self.state = state


class Float64Scalar(metaclass=Sealed):
    """Stands in for numpy's ``scalar``: a little-endian double becomes a float."""

    def __new__(cls, dtype: Any, raw: Any) -> float:  # type: ignore[misc]
        known = isinstance(dtype, Inert) and dtype.args[:1] == ("f8",)
        if not known or dtype.state[1] != "<" or not isinstance(raw, bytes) or len(raw) != 8:
            raise ValueError("a numpy scalar that is not a little-endian float64")
        return struct.unpack("<d", raw)[0]


class Latin1Bytes(metaclass=Sealed):
    """Stands in for ``_codecs.encode``, by which old protocols write bytes."""

    def __new__(cls, text: Any, encoding: Any) -> bytes:  # type: ignore[misc]
        if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
            raise ValueError(f"encoding {encoding!r}; accepted is latin1")
        return text.encode("latin1")


NUMPY_SCALARS: Mapping[tuple[str, str], type] = {
    ("numpy.core.multiarray", "scalar"): Float64Scalar,
    ("numpy._core.multiarray", "scalar"): Float64Scalar,
    ("numpy", "dtype"): Inert,
    ("_codecs", "encode"): Latin1Bytes,
}


class _Unpickler(pickle.Unpickler):
    def __init__(self, data: bytes, allowed: Mapping[tuple[str, str], type]):
        super().__init__(io.BytesIO(data))
        self._allowed = allowed

    def find_class(self, module: str, name: str) -> type:
        try:
            return self._allowed[module, name]
        except KeyError:
            raise DataError(f"it names {module}.{name}, which is not allowed") from None

    def persistent_load(self, pid: Any) -> Any:
        raise DataError(f"it refers to outside data ({pid!r}), which is not allowed")


def load(
    path: str | os.PathLike,
    allowed: Mapping[tuple[str, str], type],
    *,
    max_bytes: int = MAX_BYTES,
) -> Any:
    """Reads one pickle.

    Args:
      path: the file.
      allowed: what stands in for each ``(module, name)`` that the pickle may
        name; classes of this module, or made like them.
      max_bytes: larger files are refused unread.

    Returns:
      Plain Python data with ``Inert`` objects in the place of class instances.

    Raises:
      DataError: the file cannot be read, is too large or damaged, or names
        something that is not allowed; the message names the file.
    """
    path = pathlib.Path(path)
    try:
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
    except OSError as error:
        raise DataError(f"{path}: cannot read: {error.strerror or error}") from error
    if len(data) > max_bytes:
        raise DataError(f"{path}: is larger than {max_bytes:,} bytes")
    return loads(data, allowed, path)


def loads(data: bytes, allowed: Mapping[tuple[str, str], type], path: pathlib.Path) -> Any:
    """The same of bytes; ``path`` is where they are from, for messages."""
    try:
        return _Unpickler(data, allowed).load()
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    # Damaged or hostile bytes may raise anything at all.
    except Exception as error:
        raise DataError(f"{path}: is truncated or damaged: {error}") from error
