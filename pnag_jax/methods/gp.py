"""Bayesian optimization with a Gaussian process over path features.

``path_process`` rates the candidates of ``surrogate``; the highest expected
improvement is asked.
"""

from __future__ import annotations

import jax

from pnag_jax.methods import path_process, surrogate


def choose(
    key: jax.Array, state: surrogate.State, features: jax.Array, allowed: jax.Array, n: int
) -> jax.Array:
    """The candidates of the highest expected improvement; see ``surrogate.Choose``."""
    del key  # nothing is drawn
    space = state.archive.space
    fitted = path_process.fit(space, state.features, state.targets(), state.measured())
    return path_process.choose(fitted, state.features, features, allowed, n)


METHOD = surrogate.method("gp", surrogate.Settings, choose)
