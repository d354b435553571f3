"""Scores of architectures on many small tasks: (task, architecture, score) triples.

A file is an ``.npz`` archive without pickles, of the keys of ``tables`` but for
the columns.  In their place stand, one entry a row,

* ``accuracy``: float32 ``[n]``, the scores, more being better;
* ``task_id``: int ``[n]``, which task;
* ``task_classes``: int ``[n, k]``, what the data set of that task consists of;
  the same in all rows of a task.

Letters: ``n`` triples, ``L`` genes, ``k`` parts of a data set.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib

import numpy as np

from pnag_jax import archives, spaces
from pnag_jax.benchmarks import members
from pnag_jax.errors import DataError

_KEYS = ("space", "arch", "arch_fields", "accuracy", "task_id", "task_classes", "meta")
# Parts of data sets are numbered from 0; each number costs a row of memory.
_MAX_PART = 100_000
# Nats by which a change of protocol must explain the scores better.
_EVIDENCE = 50.0
# Rows on either side of a change of protocol.
_LEAST = 20


@dataclasses.dataclass(frozen=True, eq=False)
class Triples:
    """Labels for meta-training; see the module's docstring.

    Attributes:
      name: the file's name without ending.
      space_name: the search space.
      genotypes: int32 ``[n, L]``, in the space's encoding.
      values: float64 ``[n]``.
      tasks: int64 ``[n]``, from 0 without gaps.
      parts: int64 ``[n, k]``.
      protocols: int64 ``[n]``, from 0 without gaps; see ``segments``.
      source: for people, where the numbers come from.
    """

    name: str
    space_name: str
    genotypes: np.ndarray
    values: np.ndarray
    tasks: np.ndarray
    parts: np.ndarray
    protocols: np.ndarray
    source: str

    @property
    def space(self) -> spaces.Space:
        """The search space of the rows."""
        return spaces.get(self.space_name)


def looks_like_triples(path: str | os.PathLike) -> bool:
    """Whether a file has the keys of triples; nothing else is checked."""
    path = pathlib.Path(path)
    if not path.is_file():
        return False
    with archives.opened(path) as archive:
        return set(_KEYS[3:6]) <= set(archive.files)


def read_triples(path: str | os.PathLike, *, space: str | None = None) -> Triples:
    """Opens a file of triples and checks all of it.

    Args:
      path: the ``.npz`` file.
      space: the space that the file must be of; any if None.

    Raises:
      DataError: the file is damaged or of another space, a score is not a
        number, a task has two lists of classes; the message names file and field.
      UsageError: there is no such file, or its space is not one of ours.
    """
    path = pathlib.Path(path)
    with archives.opened(path) as archive:
        if missing := [key for key in _KEYS if key not in archive.files]:
            raise DataError(f"{path}: {', '.join(missing)} missing; not a file of triples")
        owner = members.check_space(path, members.text(archive, path, "space"), space)
        genotypes = members.read_genotypes(archive, path, owner)
        members.parse_meta(path, members.text(archive, path, "meta"))
        values, tasks, parts = (
            archives.array(archive, path, key) for key in ("accuracy", "task_id", "task_classes")
        )
    count = len(genotypes)
    if values.shape != (count,) or values.dtype.kind != "f":
        raise DataError(f"{path}: accuracy: shape {values.shape} of {values.dtype}")
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values))[0])
        raise DataError(f"{path}: accuracy: row {row} is {values[row]}; accepted are numbers")
    for key, found, dims in (("task_id", tasks, 1), ("task_classes", parts, 2)):
        if found.ndim != dims or len(found) != count or found.dtype.kind not in "iu":
            raise DataError(f"{path}: {key}: shape {found.shape} of {found.dtype}")
    if parts.size and not 0 <= parts.min() <= parts.max() < _MAX_PART:
        raise DataError(f"{path}: task_classes: accepted are numbers from 0 to {_MAX_PART - 1}")
    parts = np.sort(parts.astype(np.int64), axis=1)
    _, first, number = np.unique(tasks, return_index=True, return_inverse=True)
    number = number.reshape(-1)
    bad = (parts != parts[first[number]]).any(axis=1)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise DataError(
            f"{path}: task_classes: row {row} differs from row {first[number[row]]},"
            f" of the same task {tasks[row]}"
        )
    values = values.astype(np.float64)
    return Triples(
        name=path.stem,
        space_name=owner.name,
        genotypes=genotypes.astype(np.int32),
        values=values,
        tasks=number,
        parts=parts,
        protocols=segments(values),
        source=f"{path} ({count:,} triples of {len(first):,} tasks)",
    )


def segments(values: np.ndarray) -> np.ndarray:
    """Stretches of rows that were scored by different protocols: int64 ``[n]``.

    A collection may have been put together from several, one after the other,
    without saying so: longer training, another test set.  Rows are cut where
    two levels with spreads of their own explain the scores by 50 nats better
    than one, at the best place first, then again within both parts.  Rows in
    random order stay together.  Binary segmentation: Scott and Knott, "A
    Cluster Analysis Method for Grouping Means in the Analysis of Variance", 1974.

    >>> segments(np.r_[np.tile([70.0, 71.0], 60), np.tile([50.0, 51.0], 40)])[[0, 119, 120, -1]]
    array([0, 0, 1, 1])
    """
    number = np.zeros(len(values), np.int64)
    number[1:] = np.isin(np.arange(1, len(values)), _cuts(np.asarray(values, np.float64), 0))
    return np.cumsum(number)


def _cuts(values: np.ndarray, start: int) -> list[int]:
    count = len(values)
    if count < 2 * _LEAST:
        return []
    at = np.arange(_LEAST, count - _LEAST + 1)
    centred = values - values.mean()
    sums, squares = np.cumsum(centred), np.cumsum(centred**2)

    def cost(size: np.ndarray, total: np.ndarray, square: np.ndarray) -> np.ndarray:
        """Nats of a stretch under its own normal distribution."""
        variance = square / size - (total / size) ** 2
        return 0.5 * size * np.log(np.maximum(variance, 1e-6 * squares[-1] / count + 1e-12))

    left = cost(at, sums[at - 1], squares[at - 1])
    right = cost(count - at, sums[-1] - sums[at - 1], squares[-1] - squares[at - 1])
    gain = cost(np.array(count), sums[-1], squares[-1]) - left - right
    best = int(np.argmax(gain))
    if gain[best] < _EVIDENCE:
        return []
    cut = int(at[best])
    return [*_cuts(values[:cut], start), start + cut, *_cuts(values[cut:], start + cut)]
