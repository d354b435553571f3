"""A Gaussian process over the path features of what was measured.

``gaussian_process`` on the distances of ``path_features``; of its views the
one of highest marginal likelihood counts, so that kinds of paths are left out
where they tell nothing.  Letters as in ``methods.base``, ``m`` candidates,
``E`` features, ``C`` slots of measurements, ``M`` architectures of a generator.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np

from pnag_jax.generation import Generator
from pnag_jax.methods import gaussian_process, path_features
from pnag_jax.methods.gaussian_process import Posterior, Prediction
from pnag_jax.spaces import Space


def _apart(view: jax.Array | int, left: jax.Array, right: jax.Array) -> jax.Array:
    """Squared distances in a view: ``[m, E], [C, E] -> [m, C]``."""
    return path_features.squared(path_features.seen(left, view), path_features.seen(right, view))


def fit(features: jax.Array, targets: jax.Array, measured: jax.Array) -> Posterior:
    """The process that measurements give; see ``gaussian_process.fit``.

    Args:
      features: of the slots, ``[C, E]``.
      targets: ``[C]``, 0 in empty slots.
      measured: bool ``[C]``.
    """
    views = range(path_features.VIEWS)
    squared = jnp.stack([_apart(view, features, features) for view in views])
    return gaussian_process.fit(squared, targets, measured)


def predict(posterior: Posterior, known: jax.Array, features: jax.Array) -> Prediction:
    """The values of architectures, by their features and those of the slots: ``[m, E], [C, E]``."""
    return gaussian_process.predict(posterior, _apart(posterior.view, features, known))


def choose(
    posterior: Posterior,
    known: jax.Array,
    features: jax.Array,
    allowed: jax.Array,
    n: int,
    least: float = 0.0,
) -> jax.Array:
    """The candidates of the highest expected improvement; see ``surrogate.Choose``.

    Args:
      posterior: from ``fit``.
      known: features of the slots, ``[C, E]``.
      features: of the candidates, ``[m, E]``.
      allowed: bool ``[m]``.
      n: how many.
      least: see ``gaussian_process.doubt``.
    """
    prediction = predict(posterior, known, features)
    return gaussian_process.choose(
        gaussian_process.doubt(posterior, prediction, allowed, least),
        prediction,
        lambda index: _apart(posterior.view, features, features[index][None])[:, 0],
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
