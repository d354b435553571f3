"""Which architectures a generator is trained on, and which it never sees."""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pnag_jax.spaces import Space
from pnag_jax.spaces.base import from_index

# Spaces with at most this many genotypes are enumerated, larger ones sampled.
ENUMERABLE = 200_000


class Split(NamedTuple):
    """Distinct valid genotypes: int32 ``[M, L]`` trained on, ``[H, L]`` held out."""

    train: np.ndarray
    held_out: np.ndarray


def split(key: jax.Array, space: Space, *, count: int = 50_000, holdout: float = 0.1) -> Split:
    """Draws the architectures of a space, without labels.

    Args:
      key: consumed.
      space: enumerated where small, sampled otherwise.
      count: architectures at most, both parts together.
      holdout: share that is never trained on.

    >>> from pnag_jax import spaces
    >>> parts = split(jax.random.key(0), spaces.get("macro"), count=100)
    >>> parts.train.shape, parts.held_out.shape
    ((90, 8), (10, 8))
    """
    key_draw, key_order = jax.random.split(key)
    if math.prod(space.choices) <= ENUMERABLE:
        every, valid = _every(space)
        genotypes = np.asarray(every)[np.asarray(valid)]
    else:
        genotypes = np.unique(np.asarray(space.sample(key_draw, count)), axis=0)
    order = np.asarray(jax.random.permutation(key_order, len(genotypes)))[:count]
    held_out = round(holdout * len(order))
    return Split(genotypes[order[held_out:]], genotypes[order[:held_out]])


@functools.partial(jax.jit, static_argnums=0)
def _every(space: Space) -> tuple[jax.Array, jax.Array]:
    """All genotypes of a space, and which of them are valid."""
    every = from_index(jnp.arange(math.prod(space.choices)), space.choices)
    return every, space.is_valid(every)
