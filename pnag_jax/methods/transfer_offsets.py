"""What is known of single architectures, beside what networks say of all.

* The *effect* of an architecture: what its own labels leave over, shrunk by how
  much of that its labels share (the best linear unbiased predictor of a random
  effect: Henderson, "Best Linear Unbiased Estimation and Prediction under a
  Selection Model", Biometrics 1975).
* The *selection*: labels are logs of what somebody found worth training.  An
  architecture whose one-gene neighbours were all trained is likely good, one in
  a region that was left out is likely not, and no label can tell.  The share of
  measured neighbours is an observation of quality through a probit link
  (Heckman, "Sample Selection Bias as a Specification Error", Econometrica 1979)
  and is added to what the labels say, both standardized over the measured
  architectures, with a weight: how well the share tells whether an architecture
  itself was measured (their correlation).  Of a space that was measured as a
  whole, or at random, it says nothing.

Letters: ``M`` measured architectures, ``m`` others, ``L`` genes, ``E`` features,
``P`` genotypes of the space.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np

from pnag_jax.benchmarks.base import judge
from pnag_jax.methods.meta_tasks import MetaTasks
from pnag_jax.methods.transferable import Transferable, in_chunks, predict_episodes, rated
from pnag_jax.spaces import Space
from pnag_jax.spaces.base import to_index


def offsets(
    trained: Transferable, tasks: MetaTasks, features: np.ndarray, weight: float
) -> np.ndarray:
    """``Transferable.offsets``: ``[P]``.

    Args:
      trained: the networks, without offsets.
      tasks: what they were trained on.
      features: of the architectures of ``tasks``, ``[M, E]``.
      weight: of the selection beside the labels.
    """
    space = tasks.space
    mean = np.zeros(math.prod(space.choices), np.float32)
    index = np.asarray(to_index(tasks.genotypes, space.choices))
    mean[index] = _effects(trained, tasks)
    every = np.asarray(jnp.stack(jnp.unravel_index(jnp.arange(len(mean)), space.choices), axis=1))
    valid, canonical = judge(space, every)
    of_all = np.asarray(to_index(canonical, space.choices))
    measured = np.zeros(len(mean), bool)
    measured[index] = True
    # One architecture of each class stands for it.
    asked = valid & (of_all == np.arange(len(mean)))
    chance = np.zeros(len(mean))
    chance[asked] = _selection(space, every[asked], measured)
    trusted = chance[index]
    if weight and trusted.std() > 1e-6 and not measured[asked].all():
        # Of a random part of a space the neighbours say nothing, here or there.
        skill = max(0.0, float(np.corrcoef(chance[asked], measured[asked])[0, 1]))
        spread = (in_chunks(lambda x: rated(trained, x).mean, features) + mean[index]).std()
        standard = (chance[asked] - trusted.mean()) / trusted.std()
        mean[asked] += (weight * skill * spread * standard).astype(np.float32)
    return mean


def _selection(space: Space, genotypes: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """Probits of the share of one-gene neighbours that were measured: ``[m]``.

    Args:
      space: enumerable.
      genotypes: canonical, ``[m, L]``.
      measured: bool ``[P]``, of canonical genotypes.
    """

    def share(rows: jax.Array) -> jax.Array:
        near = space.neighbours(rows)
        canonical = space.canonical(near)
        # A gene that changes nothing makes no neighbour.
        real = space.is_valid(near) & jnp.any(canonical != rows[:, None], axis=-1)
        hit = real & jnp.asarray(measured)[to_index(canonical, space.choices)]
        return (hit.sum(axis=1) + 0.5) / (real.sum(axis=1) + 1.0)

    return np.asarray(jax.scipy.special.ndtri(in_chunks(jax.jit(share), genotypes)))


def _effects(trained: Transferable, tasks: MetaTasks) -> np.ndarray:
    """What the labels of each architecture leave over, shrunk: ``[M]``.

    The variance that labels of one architecture share is the mean product of
    two of its residuals.  Where none has two, half of the variance is taken to
    be shared.
    """
    episodes = tasks.episodes
    means, _ = predict_episodes(trained, tasks)
    there = (episodes.rows >= 0) & ~np.isnan(episodes.values[..., 0])
    left = (episodes.values[..., 0] - means)[there].astype(np.float64)
    row = episodes.rows[there]
    count = np.bincount(row, minlength=len(tasks.genotypes))
    total = np.bincount(row, left, minlength=len(tasks.genotypes))
    pairs_of = (count * (count - 1)).sum()
    spread = float(np.mean(left**2))
    shared = spread / 2
    if pairs_of:
        products = (total**2).sum() - (left**2).sum()
        shared = float(np.clip(products / pairs_of, 0.0, spread))
    noise = max(spread - shared, 1e-9)
    return (shared * total / (shared * count + noise)).astype(np.float32)
