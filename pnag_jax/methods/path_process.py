"""A Gaussian process over the path features of what was measured.

``gaussian_process`` on the distances of ``path_features``.  How much each group
of features counts is chosen among a few views (``fit``), so that kinds of paths
are left out where they tell nothing, or learned (``learn``).

Letters as in ``methods.base``, ``m`` candidates, ``E`` features, ``C`` slots of
measurements, ``M`` architectures of a generator.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pnag_jax.generation import Generator
from pnag_jax.methods import gaussian_process, path_features, relevance
from pnag_jax.methods.gaussian_process import Posterior, Prediction
from pnag_jax.methods.hints import Trend
from pnag_jax.methods.relevance import Relevance
from pnag_jax.spaces import Space

# What the searches of the literature look at, with and without kinds of paths:
# the weight of each group of features, in the order of ``path_features.GROUPS``.
VIEWS = np.array([[1 / 2, 1 / 2, 0, 0, 0], [1 / 3, 1 / 3, 1 / 3, 0, 0]], np.float32)


def viewed(space: Space, features: jax.Array, view: int) -> jax.Array:
    """Features as a view has them, scaled and without those that it leaves out: ``[m, P]``."""
    scale = np.sqrt(VIEWS[view])[path_features.group_of(space)]
    return features[:, scale > 0] * scale[scale > 0]


class Fitted(NamedTuple):
    """A process, and what it looks at.

    Attributes:
      posterior: over squared distances of features times ``scale``.
      scale: ``[E]``.
      trend: its prior mean; None for 0.
    """

    posterior: Posterior
    scale: jax.Array
    trend: Trend | None = None

    def apart(self, left: jax.Array, right: jax.Array) -> jax.Array:
        """Squared distances of features: ``[m, E], [C, E] -> [m, C]``."""
        return path_features.squared(left * self.scale, right * self.scale)

    def predict(self, known: jax.Array, features: jax.Array) -> Prediction:
        """The values of architectures, by features of the slots and theirs: ``[C, E], [m, E]``."""
        found = gaussian_process.predict(self.posterior, self.apart(features, known))
        if self.trend is None:
            return found
        return found._replace(mean=found.mean + self.trend.at(features))


def fit(space: Space, features: jax.Array, targets: jax.Array, measured: jax.Array) -> Fitted:
    """The process of the view with the highest marginal likelihood.

    Args:
      space: that the architectures are of.
      features: of the slots, ``[C, E]``.
      targets: ``[C]``, 0 in empty slots.
      measured: bool ``[C]``.
    """
    views = [viewed(space, features, view) for view in range(len(VIEWS))]
    squared = jnp.stack([path_features.squared(view, view) for view in views])
    posterior = gaussian_process.fit(squared, targets, measured)
    scales = jnp.sqrt(jnp.asarray(VIEWS))[:, path_features.group_of(space)]
    return Fitted(posterior, scales[posterior.view])


def learn(
    space: Space,
    features: jax.Array,
    targets: jax.Array,
    measured: jax.Array,
    start: Relevance,
    trend: Trend | None = None,
) -> tuple[Fitted, Relevance]:
    """The process whose weights of groups are learned; see ``relevance.fit``.

    Its best target is the highest that it expects of a measured architecture
    (Picheny, Wagner and Ginsbourger, "A Benchmark of Kriging-Based Infill
    Criteria for Noisy Optimization", 2013: the plug-in).

    Args:
      space: that the architectures are of.
      features: of the slots, ``[C, E]``.
      targets: ``[C]``, 0 in empty slots.
      measured: bool ``[C]``.
      start: where learning starts, e.g. where it ended with fewer measurements.
      trend: the prior mean, see ``hints.trend``; 0 where it is missing.
    """
    if trend is not None:
        targets = jnp.where(measured, targets - trend.at(features), 0.0)
    group_of = path_features.group_of(space)
    squared = jnp.stack(
        [
            path_features.squared(*2 * (features * (group_of == group),))
            for group in range(len(path_features.GROUPS))
        ]
    )
    posterior, learned = relevance.fit(squared, targets, measured, start)
    fitted = Fitted(posterior, jnp.sqrt(learned.weights())[group_of], trend)
    # A lucky measurement is nothing to improve on.
    expected = jnp.where(measured, fitted.predict(features, features).mean, -jnp.inf)
    return fitted._replace(posterior=posterior._replace(best=expected.max())), learned


def choose(
    fitted: Fitted,
    known: jax.Array,
    features: jax.Array,
    allowed: jax.Array,
    n: int,
    least: float = 0.0,
) -> jax.Array:
    """The candidates of the highest expected improvement; see ``surrogate.Choose``.

    Args:
      fitted: from ``fit`` or ``learn``.
      known: features of the slots, ``[C, E]``.
      features: of the candidates, ``[m, E]``.
      allowed: bool ``[m]``.
      n: how many.
      least: see ``gaussian_process.doubt``.
    """
    prediction = fitted.predict(known, features)
    return gaussian_process.choose(
        gaussian_process.doubt(fitted.posterior, prediction, allowed, least),
        prediction,
        lambda index: fitted.apart(features, features[index][None])[:, 0],
        allowed,
        n,
    )


@functools.cache
def trained_on(generator: Generator) -> np.ndarray:
    """Features of what a generator was trained on: ``[M, E]``, on the host."""
    with jax.ensure_compile_time_eval():  # may be asked for while a search is traced
        return features_of(generator.model.space, generator.genotypes)


def features_of(space: Space, genotypes: np.ndarray) -> np.ndarray:
    """Features of architectures, on the host: int ``[M, L]`` to ``[M, E]``."""
    embed = jax.jit(lambda genotypes: path_features.embed(space, space.canonical(genotypes)))
    return np.asarray(embed(genotypes))
