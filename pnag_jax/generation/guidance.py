"""Generation that a score steers, at every scale of the way from coarse to fine.

Three ways to steer, to be used alone or together:

* ``weights``: the counts are weighted counts, see ``generator.generate``;
* ``score`` with a ``temperature``: what has been drawn after a scale is a whole
  architecture, which is scored; what has become more promising is drawn on from
  in several copies, what has become less so is given up (sequential Monte Carlo
  with systematic resampling: Doucet and Johansen, "A Tutorial on Particle
  Filtering and Smoothing", 2011, section 3.4);
* ``oversampling``: so many times more are drawn than wanted, and the best kept.

Letters: ``n`` samples, ``L`` genes, ``D`` codes, ``T`` scales.
"""

from __future__ import annotations

from collections.abc import Callable

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from pnag_jax.generation import counts
from pnag_jax.generation.generator import Generator, decode_codes
from pnag_jax.models import stage1

# Valid genotypes int32 ``[n, L]`` to how much each is wanted, ``[n]``.
Score = Callable[[jax.Array], jax.Array]


@flax.struct.dataclass
class Guidance:
    """How generation is steered; by default not at all.

    Attributes:
      weights: non-negative ``[M]``, one a training architecture; all alike if None.
      score: of partial and of whole architectures; None for no steering by it.
      temperature: of resampling, in standard deviations of the scores; 0 for
        no resampling.
      scales: after which it is done, indices from 0; all but the last if None
        (copies of what is whole would stay copies).
      oversampling: at least 1.
    """

    weights: jax.Array | None = None
    score: Score | None = flax.struct.field(pytree_node=False, default=None)
    temperature: float = flax.struct.field(pytree_node=False, default=0.0)
    scales: tuple[int, ...] | None = flax.struct.field(pytree_node=False, default=None)
    oversampling: int = flax.struct.field(pytree_node=False, default=1)

    def steered_scales(self, count: int) -> tuple[int, ...]:
        """After which of ``count`` scales samples are resampled."""
        if self.score is None or not self.temperature:
            return ()
        return tuple(range(count - 1)) if self.scales is None else self.scales


def generate(key: jax.Array, generator: Generator, n: int, guidance: Guidance) -> jax.Array:
    """Draws ``n`` architectures: int32 ``[n, L]``, all valid; the best first if oversampled.

    Args:
      key: consumed.
      generator: from ``generator.build``.
      n: number of samples; those that were resampled are not independent.
      guidance: how they are steered.
    """
    model = generator.model
    drawn = n * guidance.oversampling
    key_seeds, *keys = jax.random.split(key, 1 + len(model.scales))
    seeds = counts.seeds(key_seeds, drawn)
    codes = counts.nothing(generator.counts, drawn)
    before = jnp.zeros(drawn)
    steered = guidance.steered_scales(len(model.scales))
    done: set[int] = set()
    for scale, wanted in enumerate(_positions(model.scales)):
        # Finer ones too, where these are drawn first.
        needed = counts.in_order(generator.counts, frozenset(wanted))
        positions = [i for i in needed if i not in done]
        done.update(positions)
        codes = counts.extend(seeds, generator.counts, codes, positions, weights=guidance.weights)
        if guidance.score is not None and scale in steered:
            now = _standardized(guidance.score(partial(generator, codes, scale)))
            # Gains, so that all scales together weigh the score once.
            kept = resampled(keys[scale], (now - before) / guidance.temperature)
            codes, before = codes[:, kept], now[kept]
    whole = decode_codes(generator, codes.astype(jnp.int32).T)
    if guidance.score is None or guidance.oversampling == 1:
        return whole
    return whole[jax.lax.top_k(guidance.score(whole), n)[1]]


def partial(generator: Generator, codes: jax.Array, scale: int) -> jax.Array:
    """The whole architectures that codes up to a scale stand for: int32 ``[n, L]``.

    Args:
      generator: from ``generator.build``.
      codes: ``[D, n]``; those of finer scales are not looked at.
      scale: index, from 0.
    """
    model = generator.model
    squares = stage1.from_upper(codes.astype(jnp.int32).T, model.scales)[: scale + 1]
    coarse = stage1.partial_maps(model, generator.variables, squares)[-1]
    return model.space.from_graph(*stage1.decode(model, generator.variables, coarse))


def resampled(key: jax.Array, gains: jax.Array) -> jax.Array:
    """Who is drawn on from: indices int32 ``[n]``, in order.

    A sample's number of copies is ``n`` times the softmax of its gain, rounded
    up or down.

    Args:
      key: consumed.
      gains: finite, ``[n]``.
    """
    n = len(gains)
    points = (jnp.arange(n) + jax.random.uniform(key)) / n
    share = jnp.cumsum(jax.nn.softmax(gains))
    return jnp.minimum(jnp.searchsorted(share, points), n - 1).astype(jnp.int32)


def _standardized(scores: jax.Array) -> jax.Array:
    """Mean 0 and standard deviation 1; what is not finite stands below all others."""
    finite = jnp.isfinite(scores)
    known = jnp.where(finite, scores, jnp.nan)
    spread = jnp.nanstd(known)
    least = jnp.nanmin(known) - jnp.where(spread > 0, spread, 1.0)
    scores = jnp.where(finite, scores, jnp.where(finite.any(), least, 0.0))
    return (scores - scores.mean()) / jnp.maximum(scores.std(), 1e-12)


def _positions(scales: tuple[int, ...]) -> list[range]:
    """The positions of each scale's codes."""
    ends = np.cumsum([n * (n + 1) // 2 for n in scales]).tolist()
    return [range(start, end) for start, end in zip([0, *ends[:-1]], ends, strict=True)]
