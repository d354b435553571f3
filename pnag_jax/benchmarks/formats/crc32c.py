"""CRC-32C (Castagnoli) of many short byte strings at once, and TFRecord's mask of it."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

_POLYNOMIAL = 0x82F63B78  # reflected


@functools.cache
def _table() -> np.ndarray:
    """What each value of the lowest byte becomes: uint32 ``[256]``."""
    crc = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        crc = np.where(crc & 1, (crc >> 1) ^ np.uint32(_POLYNOMIAL), crc >> 1)
    return crc


def crc32c(texts: Sequence[bytes]) -> np.ndarray:
    """The checksum of each text: uint32 ``[n]``.

    All texts are worked on side by side, byte by byte, so that it takes as many
    steps as the longest has bytes.

    >>> hex(crc32c([b"123456789"])[0])
    '0xe3069283'
    """
    lengths = np.array([len(text) for text in texts], np.int64)
    # Longest first: those that are still at work are then a front part.
    order = np.argsort(-lengths, kind="stable")
    longest = int(lengths.max(initial=0))
    matrix = np.zeros((longest, len(texts)), np.uint8)
    for column, index in enumerate(order):
        matrix[: lengths[index], column] = np.frombuffer(texts[index], np.uint8)
    working = len(texts) - np.searchsorted(np.sort(lengths), np.arange(longest), side="right")
    crc = np.full(len(texts), 0xFFFFFFFF, np.uint32)
    table = _table()
    for values, count in zip(matrix, working, strict=True):
        part = crc[:count]
        crc[:count] = table[(part ^ values[:count]) & 0xFF] ^ (part >> 8)
    result = np.empty_like(crc)
    result[order] = crc ^ np.uint32(0xFFFFFFFF)
    return result


def masked(crc: np.ndarray) -> np.ndarray:
    """TFRecord's mask: rotated right by 15 bits, plus a constant: uint32 ``[n]``."""
    return ((crc >> 15) | (crc << 17)) + np.uint32(0xA282EAD8)
