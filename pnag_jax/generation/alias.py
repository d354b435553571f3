"""Draws from many discrete distributions with one look-up each: the alias method.

A distribution over ``K`` columns is cut so that every column holds at most two
values, and a word of 32 bits holds both and the threshold between them.  A
random word names a column with its first bits and a side with the next ones.

Walker, "An Efficient Method for Generating Discrete Random Variables with
General Distributions", ACM TOMS 1977.  Letters: ``R`` distributions over ``V``
values.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

# Two values and a threshold of at least 8 bits share a word.
MAX_VALUES = 4096


def value_bits(num_values: int) -> int:
    """Bits that hold one of ``num_values`` values."""
    return max(num_values - 1, 1).bit_length()


def words(counted: np.ndarray) -> tuple[np.ndarray, int]:
    """The words of many distributions.

    Args:
      counted: int ``[R, V]``, counts; no row is all zero.

    Returns:
      uint32 ``[R, K]``, and ``log2 K``: the least power of two that holds the
      values of the richest row.

    Raises:
      ValueError: more than ``MAX_VALUES`` values.
    """
    num_values = counted.shape[1]
    if num_values > MAX_VALUES:
        raise ValueError(f"{num_values} values; accepted are at most {MAX_VALUES}")
    columns_bits = int(np.count_nonzero(counted, axis=1).max() - 1).bit_length()
    size = min(1 << columns_bits, num_values)
    values = np.argsort(-counted, axis=1, kind="stable")[:, :size]
    # In units of which every column holds `total`.
    mass = np.take_along_axis(counted, values, axis=1).astype(np.int64)
    mass = np.pad(mass, ((0, 0), (0, (1 << columns_bits) - size))) << columns_bits
    values = np.pad(values, ((0, 0), (0, (1 << columns_bits) - size)))
    total = mass.sum(axis=1) >> columns_bits
    below, other = _cut(mass, total)
    bits = value_bits(num_values)
    scale = 1 << (32 - 2 * bits)
    threshold = np.rint(below / total[:, None] * scale).astype(np.int64)
    own = values.astype(np.int64)
    alias = np.where(threshold < scale, np.take_along_axis(own, other, axis=1), own)
    packed = np.minimum(threshold, scale - 1) << 2 * bits | alias << bits | own
    return packed.astype(np.uint32), columns_bits


def _cut(mass: np.ndarray, total: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How much of each column is its own, and whose the rest is: two ``[R, K]``."""
    rows = np.arange(len(mass))
    mass, below = mass.copy(), np.repeat(total[:, None], mass.shape[1], axis=1)
    other = np.tile(np.arange(mass.shape[1]), (len(mass), 1))
    is_open = np.ones(mass.shape, bool)
    # The poorest column is filled up by the richest one and closed.
    for _ in range(mass.shape[1] - 1):
        poor = np.where(is_open, mass, np.iinfo(np.int64).max).argmin(axis=1)
        rich = np.where(is_open, mass, -1).argmax(axis=1)
        below[rows, poor] = mass[rows, poor]
        other[rows, poor] = rich
        mass[rows, rich] -= total - mass[rows, poor]
        is_open[rows, poor] = False
    return below, other


def choose(word: jax.Array, columns_bits: jax.Array, random: jax.Array, bits: int) -> jax.Array:
    """The value that a random word draws from a column.

    Args:
      word: uint32, the column's, from ``words``.
      columns_bits: uint32, ``log2 K``.
      random: uint32, of which the first ``columns_bits`` bits named the column.
      bits: ``value_bits`` of the distributions.
    """
    is_other = (random << columns_bits) >> (2 * bits) >= word >> (2 * bits)
    return jnp.where(is_other, word >> bits, word) & jnp.uint32((1 << bits) - 1)


def column(columns_bits: jax.Array, random: jax.Array) -> jax.Array:
    """The column that a random word names: uint32 in ``[0, K)``."""
    # A shift by all 32 bits would leave the word as it is.
    return (random >> 1) >> (jnp.uint32(31) - columns_bits)
