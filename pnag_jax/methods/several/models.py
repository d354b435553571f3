"""Models of several objectives: what candidates will be worth, and how surely.

One Gaussian process a column of what was told, over the normal scores of its
ranks: scores tell the best apart however far below them the worst lie.  Those of
quality begin with what a hint promises (``hints.trend``), if there is one.

Letters as in ``several.base``, ``m`` candidates, ``S`` draws of their values.
"""

from __future__ import annotations

from typing import NamedTuple

import flax.struct
import jax
import jax.numpy as jnp

from pnag_jax import spaces
from pnag_jax.methods import hints, path_features
from pnag_jax.methods.gaussian_process import Posterior, Prediction, matern
from pnag_jax.methods.several import base, features
from pnag_jax.methods.several.features import Features
from pnag_jax.objectives import dominance
from pnag_jax.ranks import normal_scores

_JITTER = 1e-4
_LEAST_SPAN = 1e-6
# Of the other objectives in the sum that an extreme is the best by.
_AUGMENTATION = 0.05


@flax.struct.dataclass
class State(base.State):
    """Beside what was told:

    Attributes:
      features: of what was told.
      hint: what the processes of qualities begin with, if anything.
    """

    features: Features
    hint: hints.Hint | None

    def form(self, genotypes: jax.Array) -> jax.Array:
        """What a hint is a function of, by genotypes: ``[m, L] -> [m, E]``."""
        space = spaces.folded(self.archive.space)
        return path_features.embed(space, space.canonical(genotypes))


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
      posterior: leaves ``[W, ...]``; of what is left where there is a trend.
      trends: by column, of those that have one.
      lines: from values to scores.
      scores: ``[B, W]``, of what was measured.
      low: ``[W]``, the reference point of the objectives; the score of a slack of 0.
      span: ``[W]``, from there to the best in the front; 1 for slacks.
      margin: how far below the worst of the front the reference point lies, as
        a share of the front's span in scores.
    """

    posterior: Posterior
    trends: dict[int, hints.Trend]
    lines: Lines
    scores: jax.Array
    low: jax.Array
    span: jax.Array
    margin: float

    def scaled(self, scores: jax.Array) -> jax.Array:
        """0 at the reference point, 1 at the best: ``[..., W] -> [..., W]``."""
        return (scores - self.low) / self.span


def fit(state: State, margin: float, trust: float, caution: float = 1.0) -> Models:
    """The processes that the measurements give, and the span of the measured front.

    Args:
      state: of a search.
      margin: see ``Models``.
      trust: how many measurements a hint is worth, above 0; see ``hints.trend``.
      caution: what standard deviations are multiplied by.
    """
    count, measured = state.settings.objectives, state.measured()
    scores = jax.vmap(normal_scores, (1, None), 1)(state.values, measured)
    to_scores = lines(state.values, scores, measured)
    trends, left = {}, scores
    if state.hint is not None:
        form = state.form(state.archive.genotypes[: len(measured)])
        for column in state.problem.qualities:
            trend = hints.trend(state.hint, form, scores[:, column], measured, trust)
            trends[column] = trend
            rest = jnp.where(measured, scores[:, column] - trend.at(form), 0.0)
            left = left.at[:, column].set(rest)
    posterior = features.fit(state.features, left, measured)
    posterior = posterior._replace(variance=caution**2 * posterior.variance)

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
    return Models(posterior, trends, to_scores, scores, low, span, margin)


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
    if models.trends:
        form = state.form(genotypes)
        for column, trend in models.trends.items():
            mean = mean.at[:, column].add(trend.at(form))
    for column, known in enumerate(state.problem.known):
        if known is not None:
            values = known.values(spaces.folded(state.archive.space), genotypes)
            mean = mean.at[:, column].set(models.lines(values, column))
            deviation = deviation.at[:, column].set(0.0)
    return Rated(mean, deviation, prediction)


def widened(models: Models, rated: Rated, objectives: int) -> Models:
    """With the reference point below the extremes that are believed in.

    A front whose most accurate member is not found yet ends at a lower latency
    than the true one.  What lies beyond that end would be worth nothing against
    a reference point taken from it, and would never be asked.  So the worst of
    each objective is also taken over the candidates that are believed to be
    best in the others: the payoff table of multi-criteria optimisation, of
    upper confidence bounds.

    Benayoun, de Montgolfier, Tergny and Laritchev, "Linear programming with
    multiple objective functions: Step method (STEM)", Mathematical Programming,
    1971, for the table.

    Args:
      models: as fitted.
      rated: candidates, among which the extremes are sought.
      objectives: ``M``.
    """
    mean, deviation = rated.mean[:, :objectives], rated.deviation[:, :objectives]
    allowed = (models.scaled(rated.mean)[:, objectives:] >= 0).all(axis=1)
    # Of equals in one objective the best in the others: the rest are dominated.
    hoped = mean + deviation + _AUGMENTATION * mean.sum(axis=1, keepdims=True)
    extremes = jnp.argmax(jnp.where(allowed[:, None], hoped, -jnp.inf), axis=0)
    worst = jnp.where(allowed.any(), mean[extremes].min(axis=0), jnp.inf)

    low, span = models.low[:objectives], models.span[:objectives]
    high, margin = low + span, models.margin
    worst = jnp.minimum(worst, high - span / (1 + margin))
    low = worst - margin * (high - worst)
    return models._replace(
        low=models.low.at[:objectives].set(low),
        span=models.span.at[:objectives].set(high - low),
    )


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
