"""What is said of architectures before any is measured, and how far to trust it.

A score of untrained networks (``pnag_jax.proxies``) or a cost is known of a
sample of a space.  Ridge regression of its normal scores on path features
spreads it over the whole space, so that a compiled search rates any
architecture by it (``Hint``).  A surrogate begins with a multiple of it as its
prior mean; the multiple is what scores of that kind are usually worth, and is
learned from what is measured (``Trend``).

White, Khodak, Tu, Shah, Bubeck and Dey, "A Deeper Look at Zero-Cost Proxies for
Lightweight NAS", ICLR Blog Track 2022, for what such scores are worth; Rasmussen
and Williams, "Gaussian Processes for Machine Learning", 2006, section 2.7, for
means of basis functions.  Letters as in ``methods.base``, ``E`` features, ``m``
architectures, ``C`` slots of measurements.
"""

from __future__ import annotations

from typing import NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from pnag_jax.errors import UsageError
from pnag_jax.generation.labels import quantiles
from pnag_jax.methods import path_features
from pnag_jax.spaces import Space

# Deviations of quality for one of the hint: the rank correlation of a good score.
USUAL = 0.6
# Of the regression; features of uniform draws are at a squared distance of 1 a group.
_RIDGE = 0.1
_LEAST_SCORES = 8


@flax.struct.dataclass
class Hint:
    """A linear function of features: normal scores among uniform draws.

    Attributes:
      slope: ``[E]``.
      offset: scalar.
    """

    slope: jax.Array
    offset: jax.Array

    def scores(self, features: jax.Array) -> jax.Array:
        """Of architectures, more is better: ``[m, E] -> [m]``."""
        return features @ self.slope + self.offset


def fit(space: Space, genotypes: ArrayLike, scores: ArrayLike) -> Hint:
    """What the scores of some architectures say of all.

    Args:
      space: that they are of.
      genotypes: int ``[m, L]``, uniform draws.
      scores: ``[m]``, more promises more; -inf is the worst, NaN is left out.

    Raises:
      UsageError: fewer than 8 scores, or all the same.
    """
    given = np.asarray(scores, np.float32)
    known = ~np.isnan(given)
    if known.sum() < _LEAST_SCORES or len(np.unique(given[known])) < 2:
        raise UsageError(
            f"a hint takes at least {_LEAST_SCORES} scores that are not all the same, got"
            f" {known.sum()} of which {len(np.unique(given[known]))} differ"
        )
    told = space.canonical(jnp.asarray(genotypes)[known])
    features = np.asarray(path_features.embed(space, told), np.float64)
    targets = standard(given[known])
    middle = features.mean(axis=0)
    apart = features - middle
    # The dual form: there are fewer architectures than features as a rule.
    gram = apart @ apart.T + _RIDGE * np.eye(len(apart))
    slope = apart.T @ np.linalg.solve(gram, targets - targets.mean())
    offset = targets.mean() - middle @ slope
    return Hint(jnp.asarray(slope, jnp.float32), jnp.float32(offset))


def standard(scores: np.ndarray) -> np.ndarray:
    """Normal scores of the ranks, 0 for NaN: float32 ``[m]``; -inf is the lowest."""
    return np.nan_to_num(np.asarray(jax.scipy.special.ndtri(quantiles(scores))))


class Trend(NamedTuple):
    """A prior mean: ``level + slope * hint``.

    Attributes:
      hint: what it follows.
      level: scalar.
      slope: scalar, in deviations of the targets for one of the hint.
    """

    hint: Hint
    level: jax.Array
    slope: jax.Array

    def at(self, features: jax.Array) -> jax.Array:
        """The mean of architectures: ``[m, E] -> [m]``."""
        return self.level + self.slope * self.hint.scores(features)


def trend(
    hint: Hint,
    features: jax.Array,
    targets: jax.Array,
    measured: jax.Array,
    trust: float,
) -> Trend:
    """Least squares, where ``trust`` measurements have said that the slope is ``USUAL``.

    Args:
      hint: what is followed.
      features: of the slots, ``[C, E]``.
      targets: ``[C]``, 0 in empty slots.
      measured: bool ``[C]``.
      trust: how many measurements the usual slope is worth, above 0.
    """
    count = jnp.maximum(measured.sum(), 1)
    told = jnp.where(measured, hint.scores(features), 0.0)
    middle, level = told.sum() / count, targets.sum() / count
    apart = jnp.where(measured, told - middle, 0.0)
    slope = (USUAL * trust + apart @ targets) / (trust + apart @ apart)
    return Trend(hint, level - slope * middle, slope)
