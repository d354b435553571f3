"""The framing of TFRecord files, with its checksums.

A record is its length (uint64, little-endian), the masked CRC-32C of those
eight bytes, the data, and the masked CRC-32C of the data.
"""

from __future__ import annotations

import pathlib
import struct
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import numpy as np

from pnag_jax.benchmarks.formats import crc32c
from pnag_jax.errors import DataError

# Records checked in one go, and the longest that is accepted.
_BATCH = 4096
MAX_RECORD_BYTES = 2**16

_FRAME = struct.Struct("<QI")


def records(path: pathlib.Path, max_bytes: int = MAX_RECORD_BYTES) -> Iterator[bytes]:
    """The data of each record.

    Raises:
      DataError: not a TFRecord file, truncated, or a checksum that is wrong;
        the message names file and record.
    """
    try:
        with path.open("rb") as file:
            first, fault = 0, ""
            while not fault:
                batch, fault = _batch(file, max_bytes)
                if batch:
                    lengths, datas, told = zip(*batch, strict=True)
                    _check(path, first, "length", lengths, [pair[0] for pair in told])
                    _check(path, first, "data", datas, [pair[1] for pair in told])
                    yield from datas
                    first += len(batch)
                elif not fault:
                    return
            # Only now: a wrong length before it may be why.
            raise DataError(f"{path}: record {first}: {fault}")
    except OSError as error:
        raise DataError(f"{path}: cannot read: {error.strerror or error}") from error


def begins(path: pathlib.Path) -> bool:
    """Whether the file begins with a record's length and its checksum."""
    try:
        with path.open("rb") as file:
            start = file.read(_FRAME.size)
    except OSError:
        return False
    if len(start) < _FRAME.size:
        return False
    return bool(crc32c.masked(crc32c.crc32c([start[:8]]))[0] == _FRAME.unpack(start)[1])


def _batch(file: BinaryIO, max_bytes: int) -> tuple[list[tuple], str]:
    """Up to ``_BATCH`` of (length's bytes, data, both checksums), and why no more."""
    batch: list[tuple] = []
    while len(batch) < _BATCH and (frame := file.read(_FRAME.size)):
        if len(frame) < _FRAME.size:
            return batch, "is truncated"
        length, crc = _FRAME.unpack(frame)
        if length > max_bytes:
            return batch, f"{length:,} bytes; accepted are {max_bytes:,}: not a TFRecord file?"
        data = file.read(length + 4)
        if len(data) < length + 4:
            return batch, "is truncated"
        batch.append((frame[:8], data[:length], (crc, *struct.unpack("<I", data[length:]))))
    return batch, ""


def _check(path: pathlib.Path, first: int, part: str, texts: Sequence[bytes], told: list) -> None:
    wrong = np.flatnonzero(crc32c.masked(crc32c.crc32c(texts)) != np.array(told, np.uint32))
    if len(wrong):
        raise DataError(
            f"{path}: record {first + int(wrong[0])}: the checksum of its {part} is wrong: "
            "damaged, or not a TFRecord file"
        )
