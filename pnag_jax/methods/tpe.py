"""The multivariate tree-structured Parzen estimator (TPE) of Optuna.

Two densities over genotypes, one of the best tenth of what was measured and
one of the rest: of many draws from the first those are asked for where the
ratio of the two is highest.  Optuna would keep the best draw alone, which soon
is one that was measured before; here it is the best that is new and valid.

Optuna is told canonical forms, and its draws are asked for in that form, so
that genes which compute nothing say nothing.

Bergstra, Bardenet, Bengio and Kegl, "Algorithms for Hyper-Parameter
Optimization", NeurIPS 2011; Falkner, Klein and Hutter, "BOHB: Robust and
Efficient Hyperparameter Optimization at Scale", ICML 2018, for the densities
over all genes together; Akiba et al., "Optuna", KDD 2019.
"""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from pnag_jax.methods import archive as archives
from pnag_jax.methods import archive_only, base, extras, host, proposals
from pnag_jax.methods.archive_only import State


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(base.Settings):
    """Fields of the config.

    Attributes:
      initial: uniform draws before the first guided ones.
      draws: rated for each proposal.
    """

    batch: int = base.setting(4, 1)
    initial: int = base.setting(10, 1)
    draws: int = base.setting(24, 1)


def candidates(archive: archives.Archive, key: jax.Array, m: int) -> jax.Array:
    """Canonical forms of ``m`` draws, the most promising first: ``[m, L]``."""
    space, budget = archive.space, archive.budget

    def ranked_draws(*arrays: np.ndarray) -> np.ndarray:
        from pnag_jax.methods import parzen  # imports Optuna

        return parzen.ranked_draws(*arrays, choices=space.choices, m=m)

    drawn = host.call(
        ranked_draws,
        jax.ShapeDtypeStruct((m, space.genotype_length), jnp.int32),
        *(archive.keys[:budget], archive.values[:budget], host.seed(key)),
    )
    return space.canonical(drawn)


def ask(state: State, n: int) -> tuple[jax.Array, State]:
    """Uniform draws up to ``initial`` measurements, then the most promising."""
    archive, settings = state.archive, state.settings
    key, key_draw, key_uniform = jax.random.split(state.key, 3)
    propose = functools.partial(candidates, archive)
    target = proposals.guided_slots(archive, n, settings.initial)
    batch = proposals.empty_batch(archive.space, n)
    batch = batch.draw(key_draw, archive, propose, target, m=settings.draws * n)
    genotypes = proposals.complete_uniformly(key_uniform, batch, archive)
    return genotypes, dataclasses.replace(state, key=key)


METHOD = archive_only.method("tpe", Settings, ask, extras.OPTUNA)
