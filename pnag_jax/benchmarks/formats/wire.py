"""Protocol-buffer messages, taken apart into numbered fields without a schema."""

from __future__ import annotations

import struct

_DOUBLE = struct.Struct("<d")
_FLOAT = struct.Struct("<f")

Value = int | float | bytes


def fields(message: bytes) -> dict[int, list[Value]]:
    """The values of each field number, in the order of the message.

    Wire types: a varint becomes an int, 64 and 32 bits become a float, bytes
    (texts, messages in messages) stay bytes.

    Raises:
      ValueError: truncated, or another wire type.

    >>> fields(bytes([0x08, 0x96, 0x01, 0x12, 0x02]) + b"hi")
    {1: [150], 2: [b'hi']}
    """
    found: dict[int, list[Value]] = {}
    at, end = 0, len(message)
    while at < end:
        tag, at = _varint(message, at)
        kind = tag & 7
        value: Value
        if kind == 0:
            value, at = _varint(message, at)
        elif kind == 1:
            value, at = _DOUBLE.unpack_from(message, at)[0] if at + 8 <= end else 0.0, at + 8
        elif kind == 2:
            size, at = _varint(message, at)
            value, at = message[at : at + size], at + size
        elif kind == 5:
            value, at = _FLOAT.unpack_from(message, at)[0] if at + 4 <= end else 0.0, at + 4
        else:
            raise ValueError(f"wire type {kind}")
        if at > end:
            raise ValueError("a message that is truncated")
        found.setdefault(tag >> 3, []).append(value)
    return found


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """A number in groups of seven bits, the lowest first, and where it ends."""
    value = shift = 0
    while at < len(message) and shift < 64:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError("a number that is truncated")
