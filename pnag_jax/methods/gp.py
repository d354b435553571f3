"""Bayesian optimization with a Gaussian process over path features.

``gaussian_process`` over the features of ``path_features``, expected
improvement; the candidates are those of ``surrogate``.
"""

from __future__ import annotations

import jax

from pnag_jax.methods import gaussian_process as process
from pnag_jax.methods import path_features, surrogate


def choose(
    key: jax.Array, state: surrogate.State, features: jax.Array, allowed: jax.Array, n: int
) -> jax.Array:
    """The candidates of the highest expected improvement; see ``surrogate.Choose``."""
    del key  # nothing is drawn
    own = path_features.squared(state.features, state.features)
    posterior = process.fit(own, state.targets(), state.measured())
    return process.choose(
        posterior,
        process.predict(posterior, path_features.squared(features, state.features)),
        lambda index: path_features.squared(features, features[index][None])[:, 0],
        allowed,
        n,
    )


METHOD = surrogate.method("gp", surrogate.Settings, choose)
