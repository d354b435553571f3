"""Who dominates whom: fronts, their order, and crowding along them.

Deb, Pratap, Agarwal and Meyarivan, "A Fast and Elitist Multiobjective Genetic
Algorithm: NSGA-II", IEEE Transactions on Evolutionary Computation, 2002: ranks
(section III-A), crowding distance (III-B) and constrained domination (VI-A).

Letters: ``C`` points of which some may be left out, ``M`` objectives, all to be
maximised.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

_LEAST_SPAN = 1e-12


@jax.jit
def dominates(values: jax.Array, violation: jax.Array | None = None) -> jax.Array:
    """Whether point ``i`` dominates point ``j``: bool ``[C, C]``.

    One does that is at least as good in every objective and better in one.  Of
    two that violate constraints differently the one that violates them less
    dominates, whatever the objectives.

    Args:
      values: ``[C, M]``.
      violation: ``[C]``, 0 where all constraints are met; none if None.

    >>> points = jnp.array([[1.0, 2.0], [2.0, 1.0], [1.0, 1.0]])
    >>> dominates(points).astype(int).tolist()
    [[0, 0, 1], [0, 0, 1], [0, 0, 0]]
    """
    ahead, behind = values[:, None], values[None, :]
    better = (ahead >= behind).all(-1) & (ahead > behind).any(-1)
    if violation is None:
        return better
    return (violation[:, None] < violation) | ((violation[:, None] == violation) & better)


@jax.jit
def ranks(values: jax.Array, counted: jax.Array, violation: jax.Array | None = None) -> jax.Array:
    """The front that each point stands in, 0 the one that nothing dominates: int32 ``[C]``.

    Args:
      values: ``[C, M]``.
      counted: bool ``[C]``; the others have rank ``C``.
      violation: as for ``dominates``.
    """
    size = len(values)
    beats = dominates(values, violation) & counted[:, None] & counted

    def unfinished(carry: tuple[jax.Array, jax.Array]) -> jax.Array:
        return (carry[0] < 0).any()

    def peel(carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        rank, front = carry
        left = rank < 0
        free = left & ~(beats & left[:, None]).any(axis=0)
        return jnp.where(free, front, rank), front + 1

    start = jnp.where(counted, -1, size).astype(jnp.int32)
    return jax.lax.while_loop(unfinished, peel, (start, jnp.zeros((), jnp.int32)))[0]


def nondominated(
    values: jax.Array, counted: jax.Array, violation: jax.Array | None = None
) -> jax.Array:
    """Which points no other dominates; equal ones all count: bool ``[C]``."""
    beats = dominates(values, violation) & counted[:, None]
    return counted & ~beats.any(axis=0)


@jax.jit
def crowding(values: jax.Array, rank: jax.Array) -> jax.Array:
    """How far the neighbours in each point's own front are apart: ``[C]``.

    The sum over objectives of the distance between the next better and the next
    worse point, over the front's span; infinite for the ends of a front.

    Args:
      values: ``[C, M]``.
      rank: int ``[C]``, from ``ranks``.
    """

    def along(column: jax.Array) -> jax.Array:
        order = jnp.lexsort((column, rank))
        level, front = column[order], rank[order]
        edge = front[1:] != front[:-1]
        first, last = jnp.append(True, edge), jnp.append(edge, True)
        low = jax.ops.segment_min(level, front, len(level) + 1)[front]
        high = jax.ops.segment_max(level, front, len(level) + 1)[front]
        apart = jnp.roll(level, -1) - jnp.roll(level, 1)
        apart = jnp.where(first | last, jnp.inf, apart / jnp.maximum(high - low, _LEAST_SPAN))
        return jnp.zeros_like(column).at[order].set(apart)

    return jax.vmap(along, in_axes=1, out_axes=1)(values).sum(axis=1)
