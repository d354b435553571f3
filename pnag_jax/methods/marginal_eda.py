"""A marginal estimation-of-distribution algorithm: the model-free control.

After a first uniform sample every proposal draws each gene on its own, from
the values of that gene in all measured architectures, weighted by the square
of w = 1 / (0.01 n + rank) with n measured and rank 0 for the best, mixed with
2 % of the uniform distribution.  It has no model of how genes act together:
a learned generator has to beat it to have shown anything.

The weight is that of Tripp, Daxberger and Hernandez-Lobato,
"Sample-Efficient Optimization in the Latent Space of Deep Generative Models
via Weighted Retraining", NeurIPS 2020.
"""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from pnag_jax.methods import archive as archives
from pnag_jax.methods import archive_only, base, proposals
from pnag_jax.methods.archive_only import State


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(base.Settings):
    """Fields of the config.

    Attributes:
      initial: uniform draws before the first weighted ones.
      flatness: the 0.01 of the weight; larger values tell ranks apart less.
      power: the exponent of the weight.
      floor: share of the uniform distribution in every gene's marginal.
    """

    batch: int = base.setting(16, 1)
    initial: int = base.setting(16, 1)
    flatness: float = base.setting(0.01, 1e-6)
    power: float = base.setting(2.0, 0.0)
    floor: float = base.setting(0.02, 0.0, 1.0)


def rank_weights(archive: archives.Archive, flatness: float, power: float) -> jax.Array:
    """(1 / (flatness * n + rank)) ** power, 0 in slots not measured: ``[C]``.

    Equal values rank in the order in which they were told.
    """
    rank = jnp.argsort(jnp.argsort(-archive.values)).astype(jnp.float32)
    weight = (1.0 / (flatness * archive.count + rank)) ** power
    return jnp.where(archive.measured(), weight, 0.0)


def marginals(archive: archives.Archive, settings: Settings) -> jax.Array:
    """Probabilities of every gene's values: ``[L, A]``, A the most choices.

    Genes with fewer choices have zeros at the end.  Needs one measured
    architecture.
    """
    choices = np.array(archive.space.choices)
    values = np.arange(choices.max())
    weight = rank_weights(archive, settings.flatness, settings.power)
    chosen = archive.genotypes[:, :, None] == values  # [C, L, A]
    mass = jnp.sum(jnp.where(chosen, weight[:, None, None], 0.0), axis=0)
    uniform = (values < choices[:, None]) / choices[:, None]
    # Nothing measured gives zeros, not 0 / 0.
    shares = mass / jnp.maximum(mass.sum(-1, keepdims=True), jnp.finfo(mass.dtype).tiny)
    return (1.0 - settings.floor) * shares + settings.floor * uniform.astype(np.float32)


def draw_genes(probabilities: jax.Array, key: jax.Array, m: int) -> jax.Array:
    """Draws each gene on its own: ``[L, A] -> int32 [m, L]``."""
    cumulative = jnp.cumsum(probabilities, axis=-1)
    # Inverts each gene's distribution function at a uniform number.
    u = jax.random.uniform(key, (m, len(cumulative), 1)) * cumulative[:, -1:]
    return jnp.sum(u >= cumulative, axis=-1, dtype=jnp.int32)


def ask(state: State, n: int) -> tuple[jax.Array, State]:
    """Uniform draws up to ``initial`` measurements, then weighted ones."""
    archive, settings = state.archive, state.settings
    key, key_draw, key_uniform = jax.random.split(state.key, 3)
    propose = functools.partial(draw_genes, marginals(archive, settings))
    target = proposals.guided_slots(archive, n, settings.initial)
    batch = proposals.empty_batch(archive.space, n).draw(key_draw, archive, propose, target)
    genotypes = proposals.complete_uniformly(key_uniform, batch, archive)
    return genotypes, dataclasses.replace(state, key=key)


METHOD = archive_only.method("marginal_eda", Settings, ask)
