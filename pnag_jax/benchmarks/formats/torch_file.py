"""Files of ``torch.save``, both formats, as a stream of the pickle they hold.

The newer one is a zip archive with a member ``<name>/data.pkl``; the older one
is a row of pickles (a magic number, a version, the system, the object, names
of storages) followed by the storages.  Torch is not needed: the pickle goes
through ``pickle_stream``, tensors become stubs.
"""

from __future__ import annotations

import pathlib
import pickle
import zipfile
from collections.abc import Generator, Mapping
from typing import Any, BinaryIO

from pnag_jax.benchmarks.formats import pickle_stream
from pnag_jax.benchmarks.formats.stand_ins import CONTAINERS, NUMPY, TORCH, Storage
from pnag_jax.errors import DataError

_MAGIC = 0x1950A86A20F9469CFC6C
_VERSION = 1001
ALLOWED: Mapping[tuple[str, str], type] = {**CONTAINERS, **NUMPY, **TORCH}


def entries(path: pathlib.Path, keys: tuple[str, ...]) -> Generator[tuple[Any, Any], None, Any]:
    """The items of the dictionary that ``keys`` lead to, one at a time.

    The return value is the outermost dictionary without them.

    Raises:
      DataError: not a file of ``torch.save``, damaged, truncated, or it names
        something that is not allowed; the message names the file.
    """
    try:
        open_at = opener(path)
        return (yield from pickle_stream.entries(open_at, keys, ALLOWED, persistent=_storage))
    except OSError as error:
        raise DataError(f"{path}: cannot read: {error.strerror or error}") from error
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def start(path: pathlib.Path, size: int) -> bytes:
    """The first bytes of the pickle; empty if this is no file of ``torch.save``."""
    try:
        with opener(path)(0) as file:
            return file.read(size)
    except (OSError, DataError, EOFError, zipfile.BadZipFile):
        return b""


def _storage(pid: Any) -> Storage:
    if not isinstance(pid, tuple) or pid[:1] not in (("storage",), (b"storage",)):
        raise DataError(f"it refers to outside data ({pid!r}), which is not allowed")
    return Storage()


def opener(path: pathlib.Path) -> pickle_stream.Open:
    if zipfile.is_zipfile(path):
        return _zip_opener(path)
    with path.open("rb") as file:
        if file.read(2) == b"PK":
            raise DataError("is a zip archive that is truncated or damaged")
        file.seek(0)
        try:
            header = [_Header(file).load() for _ in range(2)]
            if header != [_MAGIC, _VERSION]:
                raise DataError("is not a file of torch.save")
            _Header(file).load()  # the system that wrote it
        except DataError:
            raise
        # Any bytes may stand where the header should.
        except Exception as error:
            raise DataError("is not a file of torch.save") from error
        begin = file.tell()

    def open_at(offset: int) -> BinaryIO:
        opened = path.open("rb")
        opened.seek(begin + offset)
        return opened

    return open_at


class _Header(pickle.Unpickler):
    """Numbers and plain dictionaries only."""

    def find_class(self, module: str, name: str) -> Any:
        raise DataError(f"it names {module}.{name}, which is not allowed")


def _zip_opener(path: pathlib.Path) -> pickle_stream.Open:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [name for name in archive.namelist() if name.endswith("data.pkl")]
    except zipfile.BadZipFile as error:
        raise DataError(f"is a zip archive that is truncated or damaged: {error}") from error
    if len(members) != 1:
        raise DataError("is not a file of torch.save: a zip archive without one data.pkl")

    def open_at(offset: int) -> Any:
        # The member keeps the archive open, and closes it.
        with zipfile.ZipFile(path) as archive:
            opened = archive.open(members[0])
        opened.seek(offset)
        return opened

    return open_at
