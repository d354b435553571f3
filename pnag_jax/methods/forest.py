"""A random forest over genes and path features, with an upper confidence bound.

Each candidate is rated by the mean of the trees plus 0.5 of their standard
deviation.

Hutter, Hoos and Leyton-Brown, "Sequential Model-Based Optimization for General
Algorithm Configuration", LION 2011, for the forest and the spread of its trees;
the candidates are those of ``surrogate``, the forest is scikit-learn's.
"""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from pnag_jax.methods import base, extras, host, surrogate


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(surrogate.Settings):
    """Fields of the config beside those of ``surrogate``.

    Attributes:
      trees: of the forest.
      share: of the features, among which a split is chosen.
      exploration: standard deviations that are added to the mean.
    """

    batch: int = base.setting(4, 1)
    trees: int = base.setting(100, 1)
    share: float = base.setting(1.0, 0.001, 1.0)
    exploration: float = base.setting(0.5, 0.0)


def bounds(
    features: np.ndarray,
    targets: np.ndarray,
    measured: np.ndarray,
    candidates: np.ndarray,
    seed: np.ndarray,
    *,
    settings: Settings,
) -> np.ndarray:
    """Mean and spread of the trees' predictions, added: ``[m]``; host only.

    Args:
      features: ``[C, E]``.
      targets: ``[C]``.
      measured: bool ``[C]``; nothing is known of the other rows.
      candidates: their features ``[m, E]``.
      seed: of the forest, an integer scalar.
      settings: of the method.

    Returns:
      Zeros where nothing is measured.
    """
    import sklearn
    from sklearn.ensemble import RandomForestRegressor

    known = features[measured]
    if not len(known):
        return np.zeros(len(candidates))
    # A feature that is the same in all measurements splits nothing.
    varies = (known != known[0]).any(axis=0)
    if not varies.any():
        return np.zeros(len(candidates))
    rated = np.ascontiguousarray(candidates[:, varies])
    forest = RandomForestRegressor(
        settings.trees,
        max_features=settings.share,
        random_state=int(seed),
        n_jobs=1,
    )
    # A tree of so little takes less time than the checks of its arguments.
    with sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
        forest.fit(known[:, varies], targets[measured])
        trees = forest.estimators_
        predicted = np.stack([tree.predict(rated, check_input=False) for tree in trees])
    return predicted.mean(axis=0) + settings.exploration * predicted.std(axis=0)


def choose(
    key: jax.Array, state: surrogate.State, features: jax.Array, allowed: jax.Array, n: int
) -> jax.Array:
    """The candidates of the highest bounds; see ``surrogate.Choose``."""
    bound = host.call(
        functools.partial(bounds, settings=state.settings),
        jax.ShapeDtypeStruct((len(features),), jnp.float32),
        *(state.features, state.targets(), state.measured(), features, host.seed(key)),
    )
    chosen = []
    for _ in range(n):
        index = jnp.argmax(jnp.where(allowed, bound, -jnp.inf))
        # Isomorphic ones have the same features.
        allowed &= (features != features[index]).any(axis=1)
        chosen.append(index)
    return jnp.stack(chosen).astype(jnp.int32)


METHOD = surrogate.method("forest", Settings, choose, extras.SCIKIT_LEARN)
