"""What spaces share whose architectures have some of a largest number of layers.

The first ``depth`` of ``D`` layers are there, the others are not.  Letters:
``D`` layers at most, ``G`` genes a layer.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from pnag_jax.spaces.base import Space, SpaceError


def check(space: Space, genes: np.ndarray) -> None:
    """Raises ``SpaceError`` where layers are missing up to the depth or stand beyond it.

    Args:
      space: whose ``is_valid`` decides.
      genes: int ``[L]``, in range.
    """
    with jax.ensure_compile_time_eval():  # may be asked for while a network is traced
        valid = bool(space.is_valid(genes))
    if not valid:
        raise SpaceError(
            f"{space.name}: {genes.tolist()} is no architecture; accepted are as many layers as"
            " the depth says, with values that the space has, and zeros beyond"
        )


def active(depth: jax.Array, most: int) -> jax.Array:
    """Which layers are there: int ``[...] -> bool [..., D]``.

    >>> active(jnp.array(2), 4).tolist()
    [True, True, False, False]
    """
    return jnp.arange(most) < depth[..., None]


def last(there: jax.Array, least: int) -> jax.Array:
    """The smallest depth that has every layer of ``there``: bool ``[..., D] -> int [...]``.

    Args:
      there: layers, perhaps with gaps.
      least: the smallest depth.

    >>> int(last(jnp.array([True, False, True, False]), 2))
    3
    """
    ends = jnp.where(there, jnp.arange(1, there.shape[-1] + 1), 0)
    return jnp.maximum(ends.max(axis=-1), least)


def best(
    present: jax.Array,
    absent: jax.Array,
    least: ArrayLike,
    most: ArrayLike | None = None,
) -> jax.Array:
    """The depth of the largest sum of scores: ``[..., D], [..., D] -> int [...]``.

    Layers up to the depth count with ``present``, the others with ``absent``.
    Where every layer for itself says one depth, that is the answer even where
    the sums of very unequal scores would round to the same.

    Args:
      present: finite, the score of a layer that is there.
      absent: finite, the score of one that is not.
      least: the smallest depth, at least 1, one number or ``[...]``.
      most: the largest; ``D`` where not given.

    >>> int(best(jnp.array([3.0, 1.0, 0.0, 2.0]), jnp.array([0.0, 0.0, 1.0, 0.0]), 1))
    4
    """
    layers = present.shape[-1]
    depth = jnp.arange(1, layers + 1)
    most = layers if most is None else most
    allowed = (depth >= jnp.asarray(least)[..., None]) & (depth <= jnp.asarray(most)[..., None])
    there = present > absent
    alone = last(there, 1)
    agreed = jnp.all(there == active(alone, layers), axis=-1)
    agreed &= jnp.any(allowed & (depth == alone[..., None]), axis=-1)
    # Shares, so that no difference and no sum of them leaves the range.
    total = jnp.cumsum(present / (2 * layers) - absent / (2 * layers), axis=-1)
    longest = 1 + jnp.argmax(jnp.where(allowed, total, -jnp.inf), axis=-1)
    return jnp.where(agreed, alone, longest)


def repeat_last(layers: jax.Array, depth: jax.Array) -> jax.Array:
    """Copies of the last layer there is in place of those that are not.

    Args:
      layers: ``[..., D, G]``.
      depth: ``[...]``, at least 1.
    """
    index = jnp.minimum(jnp.arange(layers.shape[-2]), depth[..., None] - 1)
    return jnp.take_along_axis(layers, index[..., None], axis=-2)


def spread(layers: jax.Array, depth: jax.Array, count: jax.Array) -> jax.Array:
    """The first ``count`` rows are layers evenly spread over the depth: ``[D, G]``.

    Of ``count`` equal regions of the depth each gives the layer in its middle.
    The further rows mean nothing.

    Args:
      layers: ``[D, G]``.
      depth: of ``layers``, a scalar.
      count: at most ``depth``, a scalar.

    >>> spread(jnp.arange(6)[:, None], jnp.array(5), jnp.array(2))[:2, 0].tolist()
    [1, 3]
    """
    middle = (2 * jnp.arange(len(layers)) + 1) * depth // jnp.maximum(2 * count, 1)
    return layers[jnp.clip(middle, 0, len(layers) - 1)]
