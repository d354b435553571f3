"""How far two architectures are apart, by their multi-scale codes.

Four parts, each scaled to 1 on average over the training architectures and
then averaged: codes of single regions that differ, on the finest scale and on
the coarser ones; codes of pairs of regions that differ, on the finest scale;
and how often each code stands anywhere on the finest scale, wherever it is.

Letters: ``D`` codes of ``V`` values, ``m`` and ``C`` architectures.
"""

from __future__ import annotations

import functools

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from pnag_jax.generation import Generator
from pnag_jax.models import stage1

# Pairs of training architectures whose distances are averaged.
_SAMPLE = 2048
# Rows of a distance matrix that are worked on at a time: they stay in the caches.
_CHUNK = 256


@flax.struct.dataclass
class Measure:
    """What is compared, and how much it counts.

    Attributes:
      positions: int ``[D']`` whose codes are compared.
      weights: float32 ``[D']`` of a difference.
      counted: int ``[D'']``, positions whose codes are counted.
      count_weight: of the squared distance of two histograms.
      num_values: ``V``.
    """

    positions: np.ndarray
    weights: np.ndarray
    counted: np.ndarray
    count_weight: float
    num_values: int = flax.struct.field(pytree_node=False)


@functools.cache
def measure(generator: Generator) -> Measure:
    """The measure of a generator's training architectures."""
    codes, num_values = generator.codes, generator.model.num_codes
    scale, row, column = stage1.upper_positions(generator.model.scales).T
    varies = codes.min(axis=0) != codes.max(axis=0)
    is_finest, is_single = scale == scale.max(), row == column
    groups = [is_finest & is_single, ~is_finest & is_single, is_finest & ~is_single]
    groups = [np.flatnonzero(group & varies) for group in groups]
    groups = [group for group in groups if len(group)]
    # Fixed, so that the measure is one of the generator alone.
    left, right = np.random.default_rng(0).integers(0, len(codes), (2, _SAMPLE))
    weights = []
    for group in groups:
        # Every scale counts the same, however many codes it has.
        share = 1 / np.bincount(scale[group])[scale[group]]
        mean = ((codes[left][:, group] != codes[right][:, group]) @ share).mean()
        weights.append(share / max(mean, 1e-6))
    counted = groups[0]
    one, other = (_host_histograms(codes[rows][:, counted], num_values) for rows in (left, right))
    spread = max(((one - other) ** 2).sum(axis=1).mean(), 1e-6)
    parts = len(groups) + 1
    return Measure(
        positions=np.concatenate(groups),
        weights=(np.concatenate(weights) / parts).astype(np.float32),
        counted=counted,
        count_weight=float(1 / (spread * parts)),
        num_values=num_values,
    )


def _host_histograms(codes: np.ndarray, num_values: int) -> np.ndarray:
    found = np.zeros((len(codes), num_values))
    np.add.at(found, (np.arange(len(codes))[:, None], codes), 1)
    return found


def histograms(by: Measure, codes: jax.Array) -> jax.Array:
    """How often each code stands on the finest scale: ``[m, D] -> [m, V]``."""
    values = jnp.arange(by.num_values)
    counted = codes[:, by.counted]
    return (counted[:, :, None] == values).sum(axis=1).astype(jnp.float32)


@jax.jit
def squared(by: Measure, left: jax.Array, right: jax.Array) -> jax.Array:
    """Squared distances: ``[m, D], [C, D] -> [m, C]``."""
    weights = jnp.asarray(by.weights)
    compared = right[:, by.positions].T
    counts_right = histograms(by, right)
    norm_right = (counts_right**2).sum(axis=1)

    def rows(codes: jax.Array) -> jax.Array:
        counts = histograms(by, codes)
        apart = (counts**2).sum(axis=1)[:, None] + norm_right - 2 * counts @ counts_right.T
        own = codes[:, by.positions].T

        def add(position: int, total: jax.Array) -> jax.Array:
            differs = own[position][:, None] != compared[position][None, :]
            return total + jnp.where(differs, weights[position], 0.0)

        return jax.lax.fori_loop(0, len(by.positions), add, by.count_weight * apart)

    if len(left) <= _CHUNK:
        return rows(left)
    padding = -len(left) % _CHUNK
    chunks = jnp.pad(left, ((0, padding), (0, 0))).reshape(-1, _CHUNK, left.shape[1])
    return jax.lax.map(rows, chunks).reshape(-1, len(right))[: len(left)]
