"""A Gaussian process over the path features of what was measured.

``gaussian_process`` on the distances of ``path_features``; of its views the
one of highest marginal likelihood counts, so that kinds of paths are left out
where they tell nothing.  Letters as in ``methods.base``, ``m`` candidates and
``E`` features.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from pnag_jax.methods import gaussian_process, path_features, surrogate
from pnag_jax.methods.gaussian_process import Posterior, Prediction


def _apart(view: jax.Array | int, left: jax.Array, right: jax.Array) -> jax.Array:
    """Squared distances in a view: ``[m, E], [C, E] -> [m, C]``."""
    return path_features.squared(path_features.seen(left, view), path_features.seen(right, view))


def fit(state: surrogate.State) -> Posterior:
    """The process that the measurements so far give."""
    views = range(path_features.VIEWS)
    squared = jnp.stack([_apart(view, state.features, state.features) for view in views])
    return gaussian_process.fit(squared, state.targets(), state.measured())


def predict(posterior: Posterior, state: surrogate.State, features: jax.Array) -> Prediction:
    """The values of architectures with these features: ``[m, E]``."""
    return gaussian_process.predict(posterior, _apart(posterior.view, features, state.features))


def choose(
    posterior: Posterior,
    state: surrogate.State,
    features: jax.Array,
    allowed: jax.Array,
    n: int,
    least: float = 0.0,
) -> jax.Array:
    """The candidates of the highest expected improvement; see ``surrogate.Choose``.

    Args:
      posterior: from ``fit``.
      state: as fitted.
      features: of the candidates, ``[m, E]``.
      allowed: bool ``[m]``.
      n: how many.
      least: see ``gaussian_process.doubt``.
    """
    prediction = predict(posterior, state, features)
    return gaussian_process.choose(
        gaussian_process.doubt(posterior, prediction, allowed, least),
        prediction,
        lambda index: _apart(posterior.view, features, features[index][None])[:, 0],
        allowed,
        n,
    )
