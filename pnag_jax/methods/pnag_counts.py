"""Search by counts of multi-scale codes: nothing is trained on scores by gradient.

Every queried architecture is encoded into its codes at all scales.

*Generation.*  Counting the codes twice, once weighted by rank and once not,
gives a log-ratio for every code: how much more often good architectures have
it (the ratio of a tree-structured Parzen estimator, Bergstra et al., NeurIPS
2011, on learned codes).  The ratios weigh the generator's training
architectures, whose weighted counts then generate.  All positions share one
codebook, so a position with few counts is backed off to its scale as a whole.

*Choice.*  What was generated, half of it so and half unconditionally, is
ranked by Bayesian linear regression on code counts: features are which code
stands where, and how often each code stands anywhere in a scale; targets are
normal scores of the ranks; the criterion is mean plus ``optimism`` standard
deviations.

Letters as in ``methods.base``, and ``D`` codes of ``V`` values.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from pnag_jax import generation
from pnag_jax.generation import Generator
from pnag_jax.methods import archive as archives
from pnag_jax.methods import base, proposals
from pnag_jax.methods.marginal_eda import rank_weights
from pnag_jax.models import stage1
from pnag_jax.spaces import Space


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(base.Settings):
    """Fields of the config, beside ``generator``.

    Attributes:
      initial: uniform draws before the first guided ones.
      flatness: of the rank weights 1 / (flatness n + rank).
      backoff: pseudo-counts of a scale's pooled ratio in each of its positions.
      pool_backoff: pseudo-counts of no preference in a scale's pooled ratio.
      sharpness: a standard deviation of summed ratios is worth this many nats
        of weight in the conditional generator.
      candidates: architectures generated a round.
      guided: share of them that are drawn conditionally.
      noise: variance of the regression's residual, 1 being the prior variance
        of an architecture's value.
      optimism: standard deviations that are added to the mean.
    """

    batch: int = base.setting(4, 1)
    initial: int = base.setting(16, 1)
    flatness: float = base.setting(0.01, 1e-6)
    backoff: float = base.setting(10.0, 0.0)
    pool_backoff: float = base.setting(1.0, 1e-3)
    sharpness: float = base.setting(2.0, 0.0)
    candidates: int = base.setting(512, 2)
    guided: float = base.setting(0.5, 0.0, 1.0)
    noise: float = base.setting(0.1, 1e-4)
    optimism: float = base.setting(0.5, 0.0)


@flax.struct.dataclass
class State:
    """``archive`` of what was told, and the ``key`` of the next draw."""

    archive: archives.Archive
    key: jax.Array
    settings: Settings = flax.struct.field(pytree_node=False)
    generator: Generator = flax.struct.field(pytree_node=False)


@functools.cache
def default_generator(space: Space) -> Generator:
    """The generator of a search that was given none: trained once a process."""
    return generation.train(jax.random.key(0), space)


def init(key: jax.Array, space: Space, config: base.Config | None = None) -> State:
    """A search that has seen nothing; see ``base.Method``.

    ``config["generator"]`` is the ``generation.Generator`` to search with; a
    default one is trained where it is missing.
    """
    fields: dict[str, Any] = dict(config.items() if config is not None else ())
    generator = fields.pop("generator", None)
    settings = base.resolve(Settings, "pnag_counts", fields)
    return State(
        archive=archives.empty(space, settings.budget),
        key=key,
        settings=settings,
        generator=default_generator(space) if generator is None else generator,
    )


@functools.cache
def _prior(generator: Generator) -> np.ndarray:
    """Share of every code at every position among all trained on: ``[D, V]``."""
    num_values = generator.model.num_codes
    counted = [np.bincount(column, minlength=num_values) for column in generator.codes.T]
    return (np.array(counted) / len(generator.codes)).astype(np.float32)


def _pools(generator: Generator) -> np.ndarray:
    """Averages over positions of one kind, ``[pools, D]``.

    A pool is a scale's diagonal (regions of nodes) or the rest of its upper
    triangle (pairs of regions).
    """
    scale, row, column = stage1.upper_positions(generator.model.scales).T
    kind = 2 * scale + (row == column)
    members = (kind == np.unique(kind)[:, None]).astype(np.float32)
    return members / members.sum(axis=1, keepdims=True)


def code_ratios(
    codes: jax.Array, weights: jax.Array, generator: Generator, settings: Settings
) -> jax.Array:
    """log(share among good / share among all) of every code: ``[D, V]``.

    Args:
      codes: int ``[C, D]`` of the queried architectures.
      weights: ``[C]``, 0 for slots that hold none.
      generator: gives prior shares and pools.
      settings: the back-off.
    """
    prior, pools = _prior(generator), _pools(generator)
    one = (weights > 0).astype(jnp.float32)
    good = weights * one.sum() / jnp.maximum(weights.sum(), jnp.finfo(jnp.float32).tiny)

    def counted(weight: jax.Array) -> jax.Array:
        positions = jnp.arange(codes.shape[1])
        return jnp.zeros(prior.shape).at[positions, codes].add(weight[:, None])

    good_counts, all_counts = counted(good), counted(one)
    flat = settings.pool_backoff * (pools @ prior) + 1e-9
    pooled = (pools @ good_counts + flat) / (pools @ all_counts + flat)
    by_position = (pools > 0).astype(np.float32).T @ pooled
    mass = settings.backoff * (prior + 1e-3)
    return jnp.log((good_counts + mass * by_position) / (all_counts + mass))


def score(ratios: jax.Array, codes: jax.Array) -> jax.Array:
    """Sum of a code string's ratios: ``[D, V], [..., D] -> [...]``."""
    return ratios[jnp.arange(codes.shape[-1]), codes].sum(-1)


def _generated(key: jax.Array, state: State, ratios: jax.Array) -> jax.Array:
    """Candidates, guided ones first: ``[candidates, L]``."""
    settings, generator = state.settings, state.generator
    trained = score(ratios, jnp.asarray(generator.codes))
    spread = (trained - trained.mean()) / jnp.maximum(trained.std(), 1e-6)
    weights = jnp.exp(settings.sharpness * (spread - spread.max()))
    key_guided, key_free = jax.random.split(key)
    count = round(settings.guided * settings.candidates)
    guided = generation.draw_codes(key_guided, generator, count, weights=weights)
    free = generation.draw_codes(key_free, generator, settings.candidates - count)
    return generation.decode_codes(generator, jnp.concatenate([guided, free]))


def _encode(generator: Generator, genotypes: jax.Array) -> jax.Array:
    """Codes of genotypes: ``[m, L] -> [m, D]``."""
    quantized = stage1.encode(generator.model, generator.variables, genotypes)
    return stage1.upper(quantized.codes)


def _histograms(codes: jax.Array, generator: Generator) -> jax.Array:
    """Share of every code in every pool: ``[m, D] -> [m, pools V]``."""
    pools = _pools(generator)
    num_values = generator.model.num_codes
    shares = jnp.zeros((len(codes), len(pools), num_values))
    pool = np.argmax(pools > 0, axis=0)
    rows = jnp.arange(len(codes))[:, None]
    return shares.at[rows, pool, codes].add(pools.max(axis=0)).reshape(len(codes), -1)


class _Scaling(NamedTuple):
    """Centre ``[pools V]`` and total variance of the histograms trained on."""

    centre: np.ndarray
    variance: float


@functools.cache
def _scaling(generator: Generator) -> _Scaling:
    pools = _pools(generator)
    num_values = generator.model.num_codes
    shares = np.zeros((len(generator.codes), len(pools), num_values), np.float32)
    rows = np.arange(len(shares))
    for position, column in enumerate(generator.codes.T):
        shares[rows, pools[:, position].argmax(), column] += pools[:, position].max()
    return _Scaling(shares.mean(0).reshape(-1), float(shares.var(0).sum()))


def similarity(left: jax.Array, right: jax.Array, generator: Generator) -> jax.Array:
    """Kernel of the linear regression on code counts: ``[m, D], [C, D] -> [m, C]``.

    The mean of two kernels, each 1 on average between an architecture and
    itself: the share of positions with equal codes, all scales counting the
    same, and the product of centred histograms.
    """
    scale = stage1.upper_positions(generator.model.scales)[:, 0]
    weight = (1 / np.bincount(scale)[scale] / len(generator.model.scales)).astype(np.float32)
    equal = _weighted_agreement(left, right, jnp.asarray(weight))
    centre, variance = _scaling(generator)
    ours = _histograms(left, generator) - centre
    theirs = _histograms(right, generator) - centre
    return 0.5 * equal + 0.5 * (ours @ theirs.T) / variance


def _weighted_agreement(left: jax.Array, right: jax.Array, weight: jax.Array) -> jax.Array:
    """Weight of the positions with equal codes: ``[m, D], [C, D], [D] -> [m, C]``."""

    def add(position: int, total: jax.Array) -> jax.Array:
        same = left[:, position, None] == right[None, :, position]
        return total + jnp.where(same, weight[position], 0)

    # One position after the other: [m, C] stays in the caches, [m, C, D] would not.
    start = jnp.zeros((left.shape[0], right.shape[0]))
    return jax.lax.fori_loop(0, left.shape[1], add, start)


def acquisition(
    candidates: jax.Array, codes: jax.Array, archive: archives.Archive, state: State
) -> jax.Array:
    """Mean plus ``optimism`` standard deviations of each candidate: ``[m]``.

    Args:
      candidates: int ``[m, D]``.
      codes: int ``[C, D]`` of the archive's slots.
      archive: gives the values; slots without one count for nothing.
      state: gives generator and settings.
    """
    settings = state.settings
    measured = archive.measured()
    rank = jnp.argsort(jnp.argsort(-archive.values))
    share = (archive.count - rank - 0.5) / jnp.maximum(archive.count, 1)
    targets = jnp.where(measured, jax.scipy.special.ndtri(jnp.clip(share, 1e-4, 1 - 1e-4)), 0)
    pairs = measured[:, None] & measured[None, :]
    gram = jnp.where(pairs, similarity(codes, codes, state.generator), 0)
    gram += jnp.diag(jnp.where(measured, settings.noise, 1.0))
    cross = jnp.where(measured, similarity(candidates, codes, state.generator), 0)
    factor = jax.scipy.linalg.cho_factor(gram)
    mean = cross @ jax.scipy.linalg.cho_solve(factor, targets)
    explained = jnp.sum(cross * jax.scipy.linalg.cho_solve(factor, cross.T).T, axis=1)
    return mean + settings.optimism * jnp.sqrt(jnp.maximum(1.0 - explained, 1e-6))


def ask(state: State, n: int) -> tuple[jax.Array, State]:
    """Uniform draws up to ``initial`` measurements, then the best generated."""
    archive, settings, generator = state.archive, state.settings, state.generator
    key, key_draw, key_uniform = jax.random.split(state.key, 3)
    codes = _encode(generator, jnp.maximum(archive.genotypes, 0))
    weights = rank_weights(archive, settings.flatness, 1.0)
    candidates = _generated(key_draw, state, code_ratios(codes, weights, generator, settings))
    values = acquisition(_encode(generator, candidates), codes, archive, state)
    candidates = candidates[jnp.argsort(-values)]
    uniform = jnp.where(archive.count > 0, settings.initial - archive.count, n)
    target = jnp.clip(n - uniform, 0, n)
    batch = proposals.empty_batch(archive.space, n).add(archive, candidates, target)
    genotypes = proposals.complete_uniformly(key_uniform, batch, archive)
    return genotypes, dataclasses.replace(state, key=key)


def tell(state: State, genotypes: jax.Array, values: jax.Array) -> State:
    """Remembers what was asked."""
    archive = state.archive.insert(genotypes, values)
    return dataclasses.replace(state, archive=archive)


METHOD = base.Method("pnag_counts", base.defaults(Settings), init, ask, tell)
