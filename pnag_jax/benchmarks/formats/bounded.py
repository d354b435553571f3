"""Compressed data with a bound on what comes out of it."""

from __future__ import annotations

import bz2
import pathlib

from pnag_jax.errors import DataError


def read_bz2(path: pathlib.Path, max_bytes: int) -> bytes:
    """All of a bzip2 file.

    Raises:
      DataError: it cannot be read, is damaged or truncated, or holds more than
        ``max_bytes``; the message names the file.
    """
    machine = bz2.BZ2Decompressor()
    parts, room = [], max_bytes + 1
    try:
        with path.open("rb") as file:
            while room > 0 and not machine.eof:
                fresh = file.read(2**16) if machine.needs_input else b""
                if machine.needs_input and not fresh:
                    raise DataError(f"{path}: is truncated")
                parts.append(machine.decompress(fresh, room))
                room -= len(parts[-1])
    except OSError as error:
        # bz2 reports damage as an OSError without a number.
        reason = f"cannot read: {error.strerror}" if error.errno else "is not bzip2 data or damaged"
        raise DataError(f"{path}: {reason}") from error
    if room <= 0:
        raise DataError(f"{path}: unpacks to more than {max_bytes:,} bytes")
    return b"".join(parts)
