"""Which earlier codes a code is drawn from: the structure of the count model.

Letters: ``M`` architectures, ``D`` codes each in coarse-to-fine order, ``V``
values of a code.
"""

from __future__ import annotations

import numpy as np

Parents = tuple[tuple[int, ...], ...]

# Pseudo-counts of the shorter context in a leave-one-out estimate.
_PRIOR = 2.0
# Up to this many codes all rows of the sample are looked at; of longer strings
# fewer, for the pairs of codes grow with the square, but not fewer than these.
_LONG, _LEAST_ROWS = 256, 1024


def choose_parents(
    codes: np.ndarray,
    num_values: int,
    *,
    max_parents: int = 4,
    min_gain: float = 0.01,
    sample: int = 4096,
) -> Parents:
    """Greedy choice of each code's context among the codes before it.

    A parent is added while it shortens the leave-one-out code length, each
    context being backed off to the one without its last parent.  Codes
    overlap heavily (a fine code nearly repeats a coarse one), so that parents
    fixed beforehand, such as the covering codes of the previous scale, would
    leave most of the structure out.

    Args:
      codes: int ``[M, D]``.
      num_values: ``V``.
      max_parents: of one code.
      min_gain: bits an architecture that a parent must save.
      sample: rows that are looked at, evenly spaced, at most; fewer of long
        strings.

    Returns:
      ``D`` tuples of earlier positions, in the order in which they were added.
    """
    long = min(1.0, (_LONG / codes.shape[1]) ** 2)
    sample = min(sample, max(int(sample * long), _LEAST_ROWS))
    rows = np.linspace(0, len(codes) - 1, min(sample, len(codes))).astype(int)
    columns = np.ascontiguousarray(codes[rows].T, dtype=np.int64)
    varying = [len(np.unique(c)) > 1 for c in columns]
    parents: list[tuple[int, ...]] = []
    for position, values in enumerate(columns):
        earlier = [j for j in range(position) if varying[j]]
        if varying[position]:
            parents.append(_choose(values, columns, earlier, num_values, max_parents, min_gain))
        else:
            parents.append(())
    return tuple(parents)


def _choose(
    values: np.ndarray,
    columns: np.ndarray,
    earlier: list[int],
    num_values: int,
    max_parents: int,
    min_gain: float,
) -> tuple[int, ...]:
    """The parents of one code."""
    shares = np.bincount(values, minlength=num_values) / len(values)
    probability = shares[values]
    context = np.zeros(len(values), np.int64)
    length = -np.log2(probability).mean()
    chosen: list[int] = []
    while len(chosen) < max_parents and length > min_gain:
        trials = []
        for j in earlier:
            if j not in chosen:
                longer = _dense(context * num_values + columns[j])
                p = _leave_one_out(longer, values, num_values, probability)
                trials.append((-np.log2(p).mean(), j, longer, p))
        if not trials:
            break
        best = min(trials, key=lambda trial: trial[:2])
        if best[0] > length - min_gain:
            break
        length, j, context, probability = best
        chosen.append(j)
    return tuple(chosen)


def _leave_one_out(
    context: np.ndarray, values: np.ndarray, num_values: int, backed_off: np.ndarray
) -> np.ndarray:
    """Probability of each value given its context, itself not counted: ``[M]``."""
    joint = context * num_values + values
    together = np.bincount(joint)[joint]
    alone = np.bincount(context)[context]
    return (together - 1 + _PRIOR * backed_off) / (alone - 1 + _PRIOR)


def _dense(labels: np.ndarray) -> np.ndarray:
    """Labels renumbered from 0 without gaps; labels are small enough to count."""
    seen = np.bincount(labels) > 0
    return (np.cumsum(seen) - 1)[labels]
