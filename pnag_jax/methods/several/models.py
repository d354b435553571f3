"""Models of several objectives: what candidates will be worth, and how surely.

One Gaussian process a column of what was told, over the normal scores of its
ranks: scores tell the best apart however far below them the worst lie.

Letters as in ``several.base``, ``m`` candidates, ``S`` draws of their values.
"""

from __future__ import annotations

from typing import NamedTuple

import flax.struct
import jax
import jax.numpy as jnp

from pnag_jax import spaces
from pnag_jax.methods.gaussian_process import Posterior, Prediction, matern
from pnag_jax.methods.several import base, features
from pnag_jax.methods.several.features import Features
from pnag_jax.objectives import dominance
from pnag_jax.ranks import normal_scores

_JITTER = 1e-4
_LEAST_SPAN = 1e-6


@flax.struct.dataclass
class State(base.State):
    """Beside what was told its ``features``."""

    features: Features


class Lines(NamedTuple):
    """From values to normal scores, by straight lines between what was measured.

    Attributes:
      values: ``[W, B]``, ascending.
      scores: ``[W, B]``, ascending.
    """

    values: jax.Array
    scores: jax.Array

    def __call__(self, values: jax.Array, column: int) -> jax.Array:
        """Scores of values of one column: ``[m] -> [m]``.

        Beyond the ends as steep as from one end to the other.
        """
        known, scores = self.values[column], self.scores[column]
        steep = (scores[-1] - scores[0]) / jnp.maximum(known[-1] - known[0], _LEAST_SPAN)
        beyond = values - jnp.clip(values, known[0], known[-1])
        return jnp.interp(values, known, scores) + steep * beyond


def lines(values: jax.Array, scores: jax.Array, measured: jax.Array) -> Lines:
    """Through values and scores ``[B, W]`` of the slots that are measured, bool ``[B]``."""

    def ascending(column: jax.Array) -> jax.Array:
        top = jnp.where(measured, column, -jnp.inf).max()
        return jnp.sort(jnp.where(measured, column, top))

    return Lines(*(jax.vmap(ascending, in_axes=1)(matrix) for matrix in (values, scores)))


class Models(NamedTuple):
    """The processes of all columns, and where in their scores the measured front lies.

    Attributes:
      posterior: leaves ``[W, ...]``.
      lines: from values to scores.
      scores: ``[B, W]``, of what was measured.
      low: ``[W]``, the reference point of the objectives; the score of a slack of 0.
      span: ``[W]``, from there to the best in the front; 1 for slacks.
    """

    posterior: Posterior
    lines: Lines
    scores: jax.Array
    low: jax.Array
    span: jax.Array

    def scaled(self, scores: jax.Array) -> jax.Array:
        """0 at the reference point, 1 at the best: ``[..., W] -> [..., W]``."""
        return (scores - self.low) / self.span


def fit(state: State, margin: float) -> Models:
    """The processes that the measurements give.

    Args:
      state: of a search.
      margin: how far below the measured front the reference point lies, as a
        share of the front's span in scores.
    """
    count, measured = state.settings.objectives, state.measured()
    scores = jax.vmap(normal_scores, (1, None), 1)(state.values, measured)
    to_scores = lines(state.values, scores, measured)
    posterior = features.fit(state.features, scores, measured)

    front = dominance.nondominated(state.objectives, measured, state.violation())[:, None]
    high = jnp.where(front, scores, -jnp.inf).max(axis=0)
    low = jnp.where(front, scores, jnp.inf).min(axis=0)
    # A front of one point has no span of its own.
    low = jnp.where(high > low, low, jnp.where(measured[:, None], scores, jnp.inf).min(axis=0))
    span = jnp.maximum(high - low, _LEAST_SPAN)
    zero = [to_scores(jnp.zeros(()), column) for column in range(count, state.values.shape[1])]
    slack = jnp.arange(state.values.shape[1]) >= count
    low = jnp.where(slack, jnp.stack([*([jnp.zeros(())] * count), *zero]), low - margin * span)
    span = jnp.where(slack, 1.0, (1 + margin) * span)
    return Models(posterior, to_scores, scores, low, span)


class Rated(NamedTuple):
    """Candidates and what is expected of them.

    Attributes:
      mean: ``[m, W]``, normal scores.
      deviation: ``[m, W]``.
      prediction: of the processes, leaves ``[W, ...]``.
    """

    mean: jax.Array
    deviation: jax.Array
    prediction: Prediction


def rate(state: State, models: Models, genotypes: jax.Array, of: Features) -> Rated:
    """Predictions for genotypes ``[m, L]``; those of known columns are exact."""
    apart = features.distances(of, state.features)
    prediction = features.predict(models.posterior, apart)
    variance = models.posterior.variance[:, None] * jnp.maximum(prediction.variance, 0.0)
    mean, deviation = prediction.mean.T, jnp.sqrt(variance).T
    for column, known in enumerate(state.problem.known):
        if known is not None:
            values = known.values(spaces.folded(state.archive.space), genotypes)
            mean = mean.at[:, column].set(models.lines(values, column))
            deviation = deviation.at[:, column].set(0.0)
    return Rated(mean, deviation, prediction)


def joint_draws(
    key: jax.Array, models: Models, rated: Rated, of: Features, count: int
) -> jax.Array:
    """``count`` draws of the scaled scores of a few candidates together: ``[S, m, W]``."""
    apart = features.distances(of, of)

    def column(key: jax.Array, posterior: Posterior, prediction: Prediction) -> jax.Array:
        covariance = matern(apart[posterior.view], posterior.length)
        covariance -= prediction.explained.T @ prediction.explained
        size = len(covariance)
        factor = jnp.linalg.cholesky(covariance + _JITTER * jnp.eye(size))
        normal = jax.random.normal(key, (count, size))
        return jnp.sqrt(posterior.variance) * normal @ factor.T

    keys = jax.random.split(key, rated.mean.shape[1])
    drawn = jax.vmap(column)(keys, models.posterior, rated.prediction)
    drawn = jnp.where(rated.deviation == 0, 0.0, jnp.moveaxis(drawn, 0, -1))
    return models.scaled(rated.mean + drawn)
