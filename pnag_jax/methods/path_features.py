"""Architectures as vectors of what a user would count, in groups.

In the order of ``GROUPS``: every gene's value; how often each operation occurs;
how often each kind of path from input to output occurs, a kind being its
sequence of operations without those that only pass data on; how often each
operation feeds each other one; parameters and multiply-accumulates, as normal
scores among uniform draws, so that their units do not matter.  Each group is
scaled so that two uniform draws are at a squared distance of 1 on average.

Kinds of paths are hashed into a fixed number of counters (a random permutation
an operation, applied along the path), so that any space gets vectors of fixed
length.  Path encodings: White, Neiswanger and Savani, "BANANAS", AAAI 2021.
Features of a small space are computed once and looked up.

Letters: ``m`` architectures, ``K`` counters, ``E`` features in all, ``G`` groups.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pnag_jax.spaces import Graph, Space
from pnag_jax.spaces.base import from_index, to_index

GROUPS = ("genes", "operations", "paths", "adjacent", "costs")
# Counters of path kinds.
_COUNTERS = 256
# Pairs of uniform draws whose distances set the scale.
_SAMPLE = 2048
# Architectures whose path counts are in the caches at a time.
_CHUNK = 128
# Genotypes at most of a space whose features are looked up: those of tabular benchmarks.
_KEPT = 65_536
# Operations that pass data on as it is, and those that end a path.
_PASSING = frozenset({"skip_connect", "skip", "identity", "input", "output"})
_ENDING = frozenset({"none"})


@functools.cache
def _permutations(op_names: tuple[str, ...]) -> np.ndarray:
    """Where each counter is read from after an operation: int32 ``[F, K]``."""
    random = np.random.default_rng(0)  # fixed: features are the same in every process
    return np.stack(
        [
            np.arange(_COUNTERS) if name in _PASSING else random.permutation(_COUNTERS)
            for name in op_names
        ]
    ).astype(np.int32)


def path_counts(op_names: tuple[str, ...], graph: Graph) -> jax.Array:
    """How many paths of each hashed kind lead to the output: ``[K]``.

    Args:
      op_names: names of the ``F`` node types.
      graph: one architecture.
    """
    permutations = jnp.asarray(_permutations(op_names))
    open_ = jnp.array([name not in _ENDING for name in op_names], jnp.float32)
    op = graph.ops.argmax(axis=-1)
    size = graph.mask.shape[0]
    start = jnp.zeros((size, _COUNTERS)).at[0, 0].set(1.0)

    def visit(node: jax.Array, counts: jax.Array) -> jax.Array:
        arriving = graph.adjacency[:, node] @ counts
        leaving = arriving[permutations[op[node]]] * open_[op[node]] * graph.mask[node]
        return counts.at[node].set(leaving)

    # The output is the last node of every graph.
    return jax.lax.fori_loop(1, size, visit, start)[size - 1]


class _Groups(NamedTuple):
    """Not scaled: ``[m, L A]``, ``[m, F]``, ``[m, K]``, ``[m, F F]``, ``[m, 2]``."""

    genes: jax.Array
    operations: jax.Array
    paths: jax.Array
    adjacent: jax.Array
    costs: jax.Array


def _groups(space: Space, canonical: jax.Array) -> _Groups:
    graph = space.to_graph(canonical)
    adjacent = jnp.einsum("mif,mij,mjg->mfg", graph.ops, graph.adjacency, graph.ops)
    costs = jax.vmap(_score)(jnp.stack(_costs(space, canonical)), jnp.stack(_usual_costs(space)))
    return _Groups(
        genes=jax.nn.one_hot(canonical, max(space.choices)).reshape(len(canonical), -1),
        operations=graph.ops.sum(axis=-2),
        paths=jax.lax.map(functools.partial(path_counts, space.op_names), graph, batch_size=_CHUNK),
        adjacent=adjacent.reshape(len(canonical), -1),
        costs=costs.T,
    )


def _costs(space: Space, canonical: jax.Array) -> tuple[jax.Array, jax.Array]:
    return space.params(canonical), space.flops(canonical)


def _score(values: jax.Array, among: jax.Array) -> jax.Array:
    """Normal quantiles of the values' ranks among sorted others, ties at half."""
    sides = [jnp.searchsorted(among, values, side=side) for side in ("left", "right")]
    share = (sides[0] + sides[1]) / (2 * len(among))
    end = 0.5 / len(among)
    return jax.scipy.special.ndtri(jnp.clip(share, end, 1 - end))


@functools.cache
def _drawn(space: Space) -> jax.Array:
    """Canonical uniform draws by which features are scaled: ``[2 _SAMPLE, L]``."""
    with jax.ensure_compile_time_eval():  # may be asked for while a search is traced
        return space.canonical(space.sample(jax.random.key(0), 2 * _SAMPLE))


@functools.cache
def _usual_costs(space: Space) -> tuple[np.ndarray, ...]:
    """Sorted costs of uniform draws: ``[2 _SAMPLE]`` each."""
    with jax.ensure_compile_time_eval():
        costs = jax.jit(_costs, static_argnums=0)(space, _drawn(space))
        return tuple(np.sort(np.asarray(cost)) for cost in costs)


@functools.cache
def _scales(space: Space) -> tuple[float, ...]:
    """What each group's features are multiplied by."""
    with jax.ensure_compile_time_eval():
        groups = jax.jit(_groups, static_argnums=0)(space, _drawn(space))
        means = [
            float(np.square(np.asarray(x[:_SAMPLE]) - np.asarray(x[_SAMPLE:])).sum(1).mean())
            for x in groups
        ]
    return tuple(max(mean, 1e-6) ** -0.5 for mean in means)


class _Kept(NamedTuple):
    """Groups of all ``U`` canonical genotypes of a space.

    Attributes:
      row: int32 ``[prod(choices)]``, of the canonical form of each genotype.
      counts: unsigned ``[U, E - 2]``, all groups but the last.
      costs: float32 ``[U, 2]``.
    """

    row: np.ndarray
    counts: np.ndarray
    costs: np.ndarray

    def groups(self, index: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Counts and costs of genotypes, by their indices: ``[m, E - 2], [m, 2]``."""
        rows = jnp.asarray(self.row)[index]
        return jnp.asarray(self.counts)[rows].astype(jnp.float32), jnp.asarray(self.costs)[rows]


@functools.cache
def _kept(space: Space) -> _Kept | None:
    """What is looked up; None where the space is too large."""
    total = math.prod(space.choices)
    if total > _KEPT:
        return None
    with jax.ensure_compile_time_eval():  # may be asked for while a search is traced
        every = from_index(jnp.arange(total), space.choices)
        form = to_index(jax.jit(space.canonical)(every), space.choices)
        forms, row = np.unique(form, return_inverse=True)
        *counts, costs = jax.jit(_groups, static_argnums=0)(space, every[forms])
        joined = np.concatenate(counts, axis=1)
    kind = np.min_scalar_type(int(joined.max()))
    return _Kept(row.astype(np.int32), joined.astype(kind), np.asarray(costs))


@functools.partial(jax.jit, static_argnums=0)  # a search traces it more than once
def embed(space: Space, canonical: jax.Array) -> jax.Array:
    """Features of canonical genotypes: int ``[m, L]`` to float32 ``[m, E]``."""
    kept = _kept(space)
    groups = (
        _groups(space, canonical)
        if kept is None
        else kept.groups(to_index(canonical, space.choices))
    )
    scale = np.array(_scales(space), np.float32)[group_of(space)]
    return jnp.concatenate(groups, axis=1) * scale


@functools.cache
def group_of(space: Space) -> np.ndarray:
    """The index of each feature's group in ``GROUPS``: int ``[E]``."""
    genotype = jax.ShapeDtypeStruct((1, space.genotype_length), jnp.int32)
    groups = jax.eval_shape(lambda x: _groups(space, x), genotype)
    return np.repeat(np.arange(len(GROUPS)), [group.shape[1] for group in groups])


def width(space: Space) -> int:
    """``E``."""
    return len(group_of(space))


def squared(left: jax.Array, right: jax.Array) -> jax.Array:
    """Squared distances of features: ``[m, E], [C, E] -> [m, C]``."""
    norms = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1)
    product = jnp.matmul(left, right.T, precision=jax.lax.Precision.HIGHEST)
    apart = norms - 2 * product
    # What rounding leaves between equal ones is no distance.
    return jnp.where(apart < 1e-5, 0.0, apart)
