"""What a prior is told of each of its architectures, and what it is judged by.

Letters: ``M`` architectures of a generator, ``K`` tasks, ``n`` others.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

import jax
import numpy as np

from experiments.conditioning import SIZES, Columns
from pnag_jax import generation
from pnag_jax.errors import DataError
from pnag_jax.generation import Generator
from pnag_jax.generation.labels import quantile_columns
from pnag_jax.methods import path_process, predicted_labels

# Below this share of measured architectures labels are predicted by default.
_ENOUGH = 0.5
# Measurements that a judging process is fitted to.
_JUDGING = 1000


class Judge(NamedTuple):
    """Measurements that the prior was not told: features ``[m, E]`` and values ``[m]``."""

    features: np.ndarray
    values: np.ndarray


class Labels(NamedTuple):
    """Measurements, and the quantiles that a prior is told instead of them.

    Attributes:
      generator: whose ``M`` architectures have the labels: those of the
        trained one, and of the table where that measured few of them.
      columns: what the labels mean.
      quality: float32 ``[M, K]``, measured, more being better; NaN for none.
      hardware: float32 ``[M, devices]``, the same, but less is less.
      told_quality: float32 ``[M, K]``, quantiles in [0, 1].
      told_hardware: float32 ``[M, devices]``, the same.
      predicted: names of the columns whose quantiles are predicted ones.
      judges: by the name of a column that measured few.
    """

    generator: Generator
    columns: Columns
    quality: np.ndarray
    hardware: np.ndarray
    told_quality: np.ndarray
    told_hardware: np.ndarray
    predicted: tuple[str, ...]
    judges: Mapping[str, Judge]

    def measure(self, name: str, genotypes: np.ndarray) -> np.ndarray:
        """The truth about samples, in units of ``quality`` or ``hardware``: ``[n]``.

        NaN where there is none.  Where few architectures are measured, what a
        Gaussian process expects by measurements that the prior was not told.
        """
        if name not in self.judges:
            gains = name in self.columns.quality
            read = self.columns.gains if gains else self.columns.values
            return read(name, genotypes)
        judge = self.judges[name]
        features = path_process.features_of(self.columns.space, genotypes)
        features = np.concatenate([judge.features, features])
        values = np.concatenate([judge.values, np.full(len(genotypes), np.nan)])
        expected = predicted_labels.expected_quantiles(
            jax.random.key(0), self.columns.space, features, values, each=_JUDGING, parts=1
        )
        return np.nanquantile(judge.values, expected[len(judge.values) :])


def gather(key: jax.Array, columns: Columns, generator: Generator, kind: str) -> Labels:
    """Looks up all labels, and predicts them where that is wanted.

    Args:
      key: consumed.
      columns: what is conditioned on.
      generator: from stage 1.
      kind: one of ``conditioning.LABELS``.

    Raises:
      DataError: a column measures fewer than four architectures.
    """
    names = (*columns.quality, *columns.hardware)
    values = np.hstack(columns.stacked(generator.genotypes))
    few = np.isnan(values).mean(axis=0) > 1 - _ENOUGH
    if few.any():
        generator = _with_table(generator, columns)
        values = np.hstack(columns.stacked(generator.genotypes))
    told = quantile_columns("labels", values, len(values))
    judges, predicted = {}, []
    for i, name in enumerate(names):
        key_judge, key_told = jax.random.split(jax.random.fold_in(key, i))
        rows = np.flatnonzero(~np.isnan(values[:, i]))
        if len(rows) < 4:
            raise DataError(f"{name}: measures {len(rows)} of the architectures; 4 are needed")
        if name in SIZES or not (kind == "predicted" or (kind == "auto" and few[i])):
            continue
        features = path_process.trained_on(generator)
        given = values[:, i].copy()
        if few[i]:
            kept = rows[np.asarray(jax.random.permutation(key_judge, len(rows)))[: len(rows) // 2]]
            given[kept] = np.nan
            judges[name] = Judge(features[kept], values[kept, i])
        told[:, i] = predicted_labels.expected_quantiles(key_told, columns.space, features, given)
        predicted.append(name)
    split = len(columns.quality)
    return Labels(
        generator,
        columns,
        values[:, :split],
        values[:, split:],
        told[:, :split],
        told[:, split:],
        tuple(predicted),
        judges,
    )


def _with_table(generator: Generator, columns: Columns) -> Generator:
    """The generator with the table's architectures behind its own."""
    assert columns.table is not None
    table = columns.table
    rows = np.asarray(table.genotypes, np.int32)[table.valid & table.looked_up]
    own = {row.tobytes() for row in generator.genotypes}
    rows = rows[[row.tobytes() not in own for row in rows]]
    codes = generation.encode_all(generator.model, generator.variables, rows)
    return dataclasses.replace(
        generator,
        genotypes=np.concatenate([generator.genotypes, rows]),
        codes=np.concatenate([generator.codes, codes]),
    )
