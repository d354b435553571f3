"""What a conditional generator is told of architectures: quantiles of measurements.

Letters: ``M`` architectures of ``D`` codes each, ``P`` of them tokens, ``K``
tasks, ``n`` samples.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from pnag_jax.errors import UsageError
from pnag_jax.generation.tokens import Tokens
from pnag_jax.models.next_scale_step import Examples


def quantiles(values: ArrayLike, among: ArrayLike | None = None) -> np.ndarray:
    """Where values stand among others: the share below, ties counted half.

    Args:
      values: ``[m]``, NaN where unknown.
      among: ``[k]``, NaN left out; ``values`` themselves by default.

    Returns:
      float32 ``[m]`` in [0, 1], NaN where ``values`` are.

    >>> quantiles([30.0, 10.0, 10.0, 40.0]).tolist()
    [0.625, 0.25, 0.25, 0.875]
    """
    values = np.asarray(values, np.float64)
    known = np.asarray(values if among is None else among, np.float64)
    known = np.sort(known[~np.isnan(known)])
    low, high = (np.searchsorted(known, values, side) for side in ("left", "right"))
    share = (low + high) / 2 / max(len(known), 1)
    return np.where(np.isnan(values), np.nan, share).astype(np.float32)


def quantile_columns(name: str, values: ArrayLike | None, count: int) -> np.ndarray:
    """Quantiles of every column: ``[M, columns]``, no column of None."""
    if values is None:
        return np.empty((count, 0), np.float32)
    array = np.asarray(values, np.float64)
    if array.ndim not in (1, 2) or len(array) != count:
        raise UsageError(
            f"{name}: of shape {array.shape}; one row for each of {count} architectures"
        )
    columns = array.reshape(count, -1)
    return np.stack([quantiles(column) for column in columns.T], axis=1)


def below(key: jax.Array, limit: ArrayLike, n: int, *, margin: float = 0.1) -> jax.Array:
    """Hardware quantiles to ask for where all but a few samples must keep a limit.

    Samples reach what they are asked for with an error, so that quantiles next
    to the limit are not asked for: uniform from 0 to the limit less
    ``margin``, or to its half where that is more.

    Args:
      key: consumed.
      limit: share of the measured architectures that keep it, in [0, 1]; for
        5 ms, ``np.mean(latencies <= 5.0)``.
      n: number of samples.
      margin: twice the mean error of a prior is a good choice.

    Returns:
      float32 ``[n]``.
    """
    top = jnp.maximum(jnp.asarray(limit) - margin, jnp.asarray(limit) / 2)
    return top * jax.random.uniform(key, (n,))


def highest(asked: np.ndarray, reached: np.ndarray, limit: float, *, keep: float = 0.97) -> float:
    """The highest quantile to ask for so that enough samples keep a limit.

    Told by samples whose hardware is known: of those that were asked for no
    more than this, a share of ``keep`` reaches no more than ``limit``.  Unlike
    a margin it needs no guess of how well a prior keeps its promise.

    Args:
      asked: ``[n]`` quantiles.
      reached: ``[n]``, NaN where unknown.
      limit: a quantile.
      keep: as above.

    Returns:
      One of ``asked``, the lowest where none will do.

    >>> highest(np.array([0.1, 0.2, 0.3]), np.array([0.1, 0.3, 0.2]), 0.25, keep=0.9)
    0.1
    """
    known = ~np.isnan(reached)
    kept = reached[known] <= limit
    for top in np.unique(asked[known])[::-1]:
        if kept[asked[known] <= top].mean() >= keep:
            return float(top)
    return float(np.min(asked))


def examples(
    prior_tokens: Tokens,
    codes: np.ndarray,
    quality: np.ndarray,
    hardware: np.ndarray,
) -> Examples:
    """The rows to train on: all architectures, those with labels about as often as those without.

    Args:
      prior_tokens: which codes are predicted.
      codes: int ``[M, D]``.
      quality: ``[M, K]`` quantiles, NaN where not measured.
      hardware: ``[M, devices]``, the same.
    """
    labelled = ~np.isnan(np.concatenate([quality, hardware], axis=1)).all(axis=1)
    copies = np.where(labelled, max(1, (~labelled).sum() // max(labelled.sum(), 1)), 1)
    rows = np.repeat(np.arange(len(codes)), copies)
    return Examples(
        codes=jnp.asarray(prior_tokens.of(codes[rows]), jnp.int32),
        quality=jnp.asarray(quality[rows], jnp.float32),
        hardware=jnp.asarray(hardware[rows], jnp.float32),
    )


class Pairs(NamedTuple):
    """Quality and hardware quantiles to ask for together; float32 ``[n]`` each.

    Attributes:
      quality: as it was wanted, or the nearest that goes with the hardware.
      hardware: as some architecture has it that also has that quality.
      found: architectures that have both as they were wanted.
    """

    quality: np.ndarray
    hardware: np.ndarray
    found: int


def together(
    key: jax.Array,
    quality: np.ndarray,
    hardware: np.ndarray,
    wanted: float,
    allowed: np.ndarray,
    n: int,
    *,
    tolerance: float = 0.05,
    least: int = 16,
) -> Pairs:
    """Pairs of conditions that architectures have, next to what is wanted.

    A prior that is asked for two things that no architecture has together
    gives neither.  Hardware quantiles are therefore those of architectures
    that have the wanted quality; where fewer than ``least`` do, the quality
    too is that of the ``least`` allowed ones that are nearest to it.

    Args:
      key: consumed.
      quality: ``[M]`` quantiles, NaN where unknown.
      hardware: ``[M]``, the same.
      wanted: a quality quantile.
      allowed: bool ``[M]``, by their hardware.
      n: number of samples.
      tolerance: how far from ``wanted`` a quality is still the same.
      least: as above.

    Raises:
      UsageError: no architecture is allowed.
    """
    rows = np.flatnonzero(allowed & ~np.isnan(quality) & ~np.isnan(hardware))
    if not len(rows):
        raise UsageError("no architecture with both labels keeps the limit")
    apart = np.abs(quality[rows] - wanted)
    found = int((apart <= tolerance).sum())
    met = found >= least
    chosen = rows[apart <= tolerance] if met else rows[np.argsort(apart, kind="stable")[:least]]
    drawn = chosen[np.asarray(jax.random.randint(key, (n,), 0, len(chosen)))]
    asked = np.full(n, wanted) if met else quality[drawn]
    return Pairs(asked.astype(np.float32), hardware[drawn].astype(np.float32), found)
