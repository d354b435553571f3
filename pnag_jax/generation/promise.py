"""Does a conditional generator give what it is asked for?

Architectures are generated for a grid of asked quantiles, measured, and the
quantiles that they reach are compared with those.

Letters: ``n`` samples, ``L`` genes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.typing import ArrayLike

from pnag_jax.generation.prior import Conditions, Prior, Sampling, generate, quantiles

# From int [n, L] to measurements [n], NaN where there is none.
Measure = Callable[[np.ndarray], ArrayLike]


def spearman(a: ArrayLike, b: ArrayLike) -> float:
    """Rank correlation of two samples ``[n]``; pairs with a NaN are left out.

    >>> round(spearman([1.0, 2.0, 3.0, 4.0], [10.0, 30.0, 20.0, 40.0]), 3)
    0.8
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    both = ~(np.isnan(a) | np.isnan(b))
    return float(np.corrcoef(quantiles(a[both]), quantiles(b[both]))[0, 1])


def reached(
    key: jax.Array,
    prior: Prior,
    measure: Measure,
    among: ArrayLike,
    *,
    field: str = "quality",
    fixed: Conditions | None = None,
    asked: Sequence[float] = tuple(np.linspace(0.025, 0.975, 20)),
    each: int = 50,
    sampling: Sampling | None = None,
) -> dict[str, Any]:
    """Asked and reached quantiles.

    Args:
      key: consumed.
      prior: whose promise is judged.
      measure: the truth, for instance a column of a table.
      among: measurements ``[k]`` that say what a quantile is.
      field: of ``Conditions``, the one that is asked for.
      fixed: other conditions.
      asked: the grid.
      each: samples of each of its points.
      sampling: as in ``prior.generate``.

    Returns:
      ``asked`` and ``reached`` (the mean of each point), the
      ``rank_correlation`` and the ``mean_error`` over all samples, and their
      ``count`` and ``measured`` share.
    """
    every = np.repeat(np.asarray(asked, np.float32), each)
    conditions = (fixed or Conditions()).replace(**{field: every})  # type: ignore[attr-defined]
    drawn = np.asarray(generate(key, prior, len(every), conditions, sampling=sampling))
    found = quantiles(measure(drawn), among)
    points = found.reshape(len(asked), each)
    return {
        "asked": [float(q) for q in asked],
        "reached": [float(np.mean(row[~np.isnan(row)])) for row in points],
        "rank_correlation": spearman(every, found),
        "mean_error": float(np.nanmean(np.abs(every - found))),
        "count": len(every),
        "measured": float(np.mean(~np.isnan(found))),
    }
