"""Does a conditional generator give what it is asked for?

Architectures are generated for a grid of asked quantiles, measured, and the
quantiles that they reach are compared with those.  How much it heeds its
conditions at all is told by the length of held-out codes.

Letters: ``n`` samples, ``L`` genes, ``m`` held-out architectures, ``P`` tokens.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from pnag_jax.generation.labels import below, quantiles
from pnag_jax.generation.prior import Conditions, Prior, Sampling, generate
from pnag_jax.models.conditions import ConditionArrays
from pnag_jax.models.next_scale import NextScale
from pnag_jax.models.next_scale_step import code_length

# From int [n, L] to measurements [n], NaN where there is none.
Measure = Callable[[np.ndarray], ArrayLike]

# From a key, the share that keeps a limit, and n to hardware quantiles [n].
Ask = Callable[[jax.Array, float, int], ArrayLike]

GRID = tuple(np.linspace(0.025, 0.975, 20))
LIMITS = (0.1, 0.25, 0.5, 0.75)


def spearman(a: ArrayLike, b: ArrayLike) -> float:
    """Rank correlation of two samples ``[n]``; pairs with a NaN are left out.

    NaN for fewer than two pairs, or where one side does not vary.

    >>> round(spearman([1.0, 2.0, 3.0, 4.0], [10.0, 30.0, 20.0, 40.0]), 3)
    0.8
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    both = ~(np.isnan(a) | np.isnan(b))
    ranks = quantiles(a[both]), quantiles(b[both])
    if both.sum() < 2 or any(np.ptp(x) == 0 for x in ranks):
        return float("nan")
    return float(np.corrcoef(*ranks)[0, 1])


class Drawn(NamedTuple):
    """Samples with what each was asked for: ``[n]`` quantiles, int ``[n, L]``."""

    asked: np.ndarray
    genotypes: np.ndarray


def draw(
    key: jax.Array,
    prior: Prior,
    *,
    field: str = "quality",
    fixed: Conditions | None = None,
    asked: Sequence[float] | np.ndarray = GRID,
    each: int = 50,
    sampling: Sampling | None = None,
) -> Drawn:
    """Samples for every quantile of a grid, one point after the other.

    Args:
      key: consumed.
      prior: whose promise is judged.
      field: of ``Conditions``, the one that is asked for.
      fixed: other conditions.
      asked: the grid.
      each: samples of each of its points.
      sampling: as in ``prior.generate``.
    """
    every = np.repeat(np.asarray(asked, np.float32), each)
    conditions = (fixed or Conditions()).replace(**{field: every})  # type: ignore[attr-defined]
    drawn = generate(key, prior, len(every), conditions, sampling=sampling)
    return Drawn(every, np.asarray(drawn))


def judge(
    drawn: Drawn, measure: Measure, among: ArrayLike, known: np.ndarray | None = None
) -> dict[str, Any]:
    """Asked beside reached quantiles.

    Args:
      drawn: from ``draw``.
      measure: the truth, for instance a column of a table.
      among: measurements ``[k]`` that say what a quantile is.
      known: int ``[M, L]``, what the prior was trained on; samples that are
        not among them are judged by themselves too.

    Returns:
      ``asked`` and ``reached`` (the mean of each point, None where nothing
      was measured), ``low`` and ``high`` (its 10 % and 90 % quantiles), the
      ``rank_correlation`` and the ``mean_error`` over all samples, their
      ``count`` and ``measured`` share; with ``known``, ``new``: the count and
      the rank correlation of the others.
    """
    found = quantiles(measure(drawn.genotypes), among)
    grid = np.unique(drawn.asked)
    points = [found[(drawn.asked == q) & ~np.isnan(found)] for q in grid]

    def each(reduce: Callable[[np.ndarray], Any]) -> list[float | None]:
        return [float(reduce(point)) if len(point) else None for point in points]

    judged = {
        "asked": [float(q) for q in grid],
        "reached": each(np.mean),
        "low": each(lambda x: np.quantile(x, 0.1)),
        "high": each(lambda x: np.quantile(x, 0.9)),
        "rank_correlation": spearman(drawn.asked, found),
        "mean_error": _mean(np.abs(drawn.asked - found)),
        "count": len(found),
        "measured": float(np.mean(~np.isnan(found))),
    }
    if known is not None:
        trained = {row.tobytes() for row in np.asarray(known, np.int32)}
        new = np.array([row.tobytes() not in trained for row in drawn.genotypes.astype(np.int32)])
        judged["new"] = {
            "count": int((new & ~np.isnan(found)).sum()),
            "rank_correlation": spearman(drawn.asked[new], found[new]),
        }
    return judged


def reached(
    key: jax.Array, prior: Prior, measure: Measure, among: ArrayLike, **options: Any
) -> dict[str, Any]:
    """``judge`` of what ``draw`` gives; ``options`` are those of ``draw``."""
    return judge(draw(key, prior, **options), measure, among)


def limits(
    key: jax.Array,
    prior: Prior,
    measure: Measure,
    among: ArrayLike,
    *,
    device: int,
    shares: Sequence[float] = LIMITS,
    count: int = 1000,
    ask: Ask = below,
    sampling: Sampling | None = None,
) -> list[dict[str, float]]:
    """How many samples keep a limit that they are asked to keep; none is filtered.

    Args:
      key: consumed.
      prior: whose promise is judged.
      measure: the truth.
      among: measurements ``[k]``.
      device: whose hardware is limited.
      shares: of the measurements that keep the limit, one row each.
      count: samples in all.
      ask: which quantiles to ask for; ``labels.below`` by default.
      sampling: as in ``prior.generate``.

    Returns:
      A row a limit: ``limit`` in units of the measurements, ``share``, and
      ``kept``, of the samples that were measured.
    """
    known = np.asarray(among, np.float64)
    known = known[~np.isnan(known)]
    key_asked, key_drawn = jax.random.split(key)
    each = -(-count // len(shares))
    values = [float(np.quantile(known, share)) for share in shares]
    asked = np.concatenate(
        [
            np.asarray(ask(k, float(np.mean(known <= value)), each))
            for k, value in zip(jax.random.split(key_asked, len(shares)), values, strict=True)
        ]
    )[:count]
    conditions = Conditions(hardware=asked, device=device)
    drawn = np.asarray(generate(key_drawn, prior, count, conditions, sampling=sampling))
    found = np.asarray(measure(drawn), np.float64)
    rows = []
    for i, value in enumerate(values):
        part = found[i * each : (i + 1) * each]
        part = part[~np.isnan(part)]
        rows.append(
            {
                "limit": value,
                "share": float(np.mean(known <= value)),
                "kept": _mean((part <= value).astype(float)),
            }
        )
    return rows


@functools.partial(jax.jit, static_argnames="model")
def code_bits(
    model: NextScale, params: Any, codes: jax.Array, conditions: ConditionArrays
) -> jax.Array:
    """Bits of code strings under conditions: ``[m, P] -> [m]``."""
    logits = model.apply(params, codes, conditions)
    return code_length(logits, codes, model.sizes).sum(axis=1) / np.log(2)  # type: ignore[arg-type]


def bits_told(
    model: NextScale,
    params: Any,
    codes: jax.Array,
    quality: np.ndarray,
    hardware: np.ndarray,
) -> dict[str, float]:
    """How far codes depend on conditions: mean bits of held-out ones.

    A generator that ignores its conditions takes as many bits with the true
    ones as without any; one that heeds them takes more with another's.

    Args:
      model: static.
      params: of ``model``.
      codes: int ``[m, P]``, of architectures that were not trained on.
      quality: ``[m, K]`` quantiles, NaN where unknown; row ``i`` is told that
        of task ``i mod K``.
      hardware: ``[m, devices]``, the same.

    Returns:
      ``nothing``; for each kind of condition that there is, ``quality`` and
      ``hardware`` (its own is told) and ``other_quality`` and
      ``other_hardware`` (that of another architecture).
    """
    rows = len(codes)
    asked: dict[str, Conditions] = {"nothing": Conditions()}
    for name, labels, at in (("quality", quality, "task"), ("hardware", hardware, "device")):
        if labels.shape[1]:
            column = np.arange(rows) % labels.shape[1]
            own = labels[np.arange(rows), column]
            # Rows are in random order: a shift gives another's of the same column.
            other = np.roll(own, labels.shape[1] * max(1, rows // labels.shape[1] // 2))
            asked[name] = Conditions(**{name: own, at: column})
            asked[f"other_{name}"] = Conditions(**{name: other, at: column})
    return {
        name: float(
            jnp.mean(
                code_bits(
                    model, params, codes, conditions.filled(rows, model.embedding_size, model.dtype)
                )
            )
        )
        for name, conditions in asked.items()
    }


def _mean(values: np.ndarray) -> float:
    """The mean of what is not NaN; NaN of nothing."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
