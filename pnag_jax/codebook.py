"""One codebook: its nearest vector, its vectors of codes, and how it moves.

Pure functions.  Letters: ``V`` codes of ``C`` channels.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from pnag_jax.resampling import wide

# Below this moving count a code keeps its place.
_LEAST_COUNT = 1e-20


class CodebookState(NamedTuple):
    """A codebook kept by exponential moving averages.

    Attributes:
      codebook: ``[V, C]``.
      counts: ``[V]``, moving average of how often a code was chosen a step.
      sums: ``[V, C]``, moving average of the vectors that chose it.
    """

    codebook: jax.Array
    counts: jax.Array
    sums: jax.Array


def nearest_code(x: jax.Array, codebook: jax.Array) -> jax.Array:
    """Index of the nearest code: ``[..., C], [V, C] -> int32 [...]``.

    Euclidean distance; the lowest index wins a tie.

    >>> codebook = jnp.array([[0.0], [2.0], [2.0]])
    >>> nearest_code(jnp.array([[0.9], [1.0], [1.1]]), codebook).tolist()
    [0, 0, 1]
    """
    exact = wide(jnp.promote_types(x.dtype, codebook.dtype))
    return jax.lax.platform_dependent(
        *jax.lax.stop_gradient((x.astype(exact), codebook.astype(exact))),
        cpu=_nearest_by_comparison,
        default=_nearest_by_argmin,
    )


# |x|^2 is the same for every code and left out.  Accelerators round the factors
# of a product to fewer bits unless told not to, which would hand vectors to the
# wrong code.


def _nearest_by_comparison(x: jax.Array, codebook: jax.Array) -> jax.Array:
    num_codes, channels = codebook.shape
    # Codes lead, so that both reductions run over vectors of positions; as min and
    # comparison they are several times faster on CPUs than argmin.
    flat = x.reshape(-1, channels)
    product = jnp.matmul(codebook, flat.T, precision=jax.lax.Precision.HIGHEST)
    distance = jnp.sum(codebook**2, axis=-1)[:, None] - 2 * product
    at_minimum = distance <= distance.min(axis=0)
    index = jnp.arange(num_codes, dtype=jnp.int32)[:, None]
    nearest = jnp.min(jnp.where(at_minimum, index, num_codes - 1), axis=0)
    return nearest.reshape(x.shape[:-1])


def _nearest_by_argmin(x: jax.Array, codebook: jax.Array) -> jax.Array:
    # Axes stay apart: on a TPU joining them is a copy with its own long program.
    product = jnp.einsum("...c,vc->...v", x, codebook, precision=jax.lax.Precision.HIGHEST)
    distance = jnp.sum(codebook**2, axis=-1) - 2 * product
    return jnp.argmin(distance, axis=-1).astype(jnp.int32)


def look_up(codebook: jax.Array, codes: jax.Array) -> jax.Array:
    """The vectors of codes: ``[V, C], int [...] -> [..., C]``."""
    return jax.lax.platform_dependent(
        codebook, codes, cpu=lambda codebook, codes: codebook[codes], default=_look_up_by_product
    )


def _look_up_by_product(codebook: jax.Array, codes: jax.Array) -> jax.Array:
    """A gather of short rows costs an accelerator more than a product with ones and zeros."""
    chosen = jax.nn.one_hot(codes, len(codebook), dtype=codebook.dtype)
    return jnp.matmul(chosen, codebook, precision=jax.lax.Precision.HIGHEST)


def init_codebook(key: jax.Array, num_codes: int, channels: int) -> CodebookState:
    """Codes drawn from a unit normal, every one counted once.  The key is consumed."""
    codebook = jax.random.normal(key, (num_codes, channels))
    return CodebookState(codebook, jnp.ones(num_codes), codebook)


def code_statistics(x: jax.Array, codes: jax.Array, num_codes: int) -> tuple[jax.Array, jax.Array]:
    """How often each code was chosen, and by what: ``[V]`` and ``[V, C]``.

    Args:
      x: ``[M, C]`` vectors.
      codes: int ``[M]``, the code of each.
      num_codes: ``V``.
    """
    counts = jnp.zeros(num_codes, x.dtype).at[codes].add(1)
    sums = jnp.zeros((num_codes, x.shape[-1]), x.dtype).at[codes].add(x)
    return counts, sums


def update_codebook(
    state: CodebookState,
    counts: jax.Array,
    sums: jax.Array,
    candidates: jax.Array,
    *,
    decay: float = 0.99,
    dead_below: float = 0.03,
    revives: ArrayLike = True,
) -> CodebookState:
    """One moving-average step, with revival of dead codes.

    van den Oord et al., "Neural Discrete Representation Learning", 2017,
    appendix A.1; revival as in Dhariwal et al., "Jukebox", 2020.

    Args:
      state: the codebook before.
      counts: ``[V]`` of this step (over all devices).
      sums: ``[V, C]`` of this step (over all devices).
      candidates: ``[V, C]`` vectors of this step, the new places of codes
        that died.
      decay: of the moving averages.
      dead_below: a code whose moving count falls below this is revived.
      revives: whether any is, a scalar; where not, what is dead stays in its place.
    """
    new_counts = decay * state.counts + (1 - decay) * counts
    new_sums = decay * state.sums + (1 - decay) * sums
    dead = (new_counts < dead_below) & revives
    # A revived code counts as one full use and more, or it would die again at once.
    revived = max(1.0, 2 * dead_below)
    new_counts = jnp.where(dead, revived, new_counts)
    new_sums = jnp.where(dead[:, None], revived * candidates, new_sums)
    # What nothing chooses, and is not revived, comes to be 0 / 0.
    kept = (new_counts < _LEAST_COUNT)[:, None]
    places = new_sums / jnp.maximum(new_counts, _LEAST_COUNT)[:, None]
    return CodebookState(jnp.where(kept, state.codebook, places), new_counts, new_sums)


def codebook_use(counts: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Share of codes chosen at least once, and perplexity: scalars.

    Args:
      counts: ``[V]``, how often each code was chosen.

    >>> use, perplexity = codebook_use(jnp.array([5.0, 5.0, 0.0, 0.0]))
    >>> float(use), round(float(perplexity), 4)
    (0.5, 2.0)
    """
    p = counts / jnp.maximum(counts.sum(), 1)
    entropy = -jnp.sum(jnp.where(p > 0, p * jnp.log(jnp.where(p > 0, p, 1)), 0))
    return (counts > 0).mean(), jnp.exp(entropy)
