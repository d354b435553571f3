"""Architectures as vectors of what a user would count: genes, operations, paths.

Three groups of features, each scaled so that two uniform draws are at a squared
distance of 1 on average, then averaged: every gene's value; how often each
operation occurs; how often each kind of path from input to output occurs, a
kind being its sequence of operations without those that only pass data on.

Kinds of paths are hashed into a fixed number of counters (a random permutation
an operation, applied along the path), so that any space gets vectors of fixed
length.  Path encodings: White, Neiswanger and Savani, "BANANAS", AAAI 2021.

Letters: ``m`` architectures, ``K`` counters, ``E`` features in all.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np

from pnag_jax.spaces import Graph, Space

# Ways to look at features: see ``seen``.
VIEWS = 2
# Counters of path kinds.
_COUNTERS = 256
# Pairs of uniform draws whose distances set the scale.
_SAMPLE = 2048
# Architectures whose path counts are in the caches at a time.
_CHUNK = 128
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


def _groups(space: Space, canonical: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The three groups, not scaled: ``[m, L A], [m, F], [m, K]``."""
    genes = jax.nn.one_hot(canonical, max(space.choices))
    graph = space.to_graph(canonical)
    counts = jax.lax.map(functools.partial(path_counts, space.op_names), graph, batch_size=_CHUNK)
    return genes.reshape(len(canonical), -1), graph.ops.sum(axis=-2), counts


@functools.cache
def _scales(space: Space) -> tuple[float, ...]:
    """What each group's features are multiplied by."""
    with jax.ensure_compile_time_eval():  # may be asked for while a search is traced
        drawn = space.sample(jax.random.key(0), 2 * _SAMPLE)
        groups = jax.jit(_groups, static_argnums=0)(space, space.canonical(drawn))
        means = [
            float(np.square(np.asarray(x[:_SAMPLE]) - np.asarray(x[_SAMPLE:])).sum(1).mean())
            for x in groups
        ]
    return tuple(float((len(means) * max(mean, 1e-6)) ** -0.5) for mean in means)


def embed(space: Space, canonical: jax.Array) -> jax.Array:
    """Features of canonical genotypes: int ``[m, L]`` to float32 ``[m, E]``."""
    pairs = zip(_groups(space, canonical), _scales(space), strict=True)
    return jnp.concatenate([group * scale for group, scale in pairs], axis=1)


def width(space: Space) -> int:
    """``E``."""
    genotype = jax.ShapeDtypeStruct((1, space.genotype_length), jnp.int32)
    return int(jax.eval_shape(lambda x: embed(space, x), genotype).shape[1])


def seen(features: jax.Array, view: jax.Array | int) -> jax.Array:
    """Features as a view has them: ``[m, E] -> [m, E]``.

    View 0 has genes and operations, view 1 also kinds of paths; two uniform
    draws are at a squared distance of 1 on average in both.
    """
    has_paths = jnp.arange(features.shape[1]) >= features.shape[1] - _COUNTERS
    without = jnp.where(has_paths, 0.0, np.sqrt(1.5))
    return features * jnp.where(view == 0, without, 1.0)


def plain(features: jax.Array) -> jax.Array:
    """View 0 without the columns that are zero there: ``[m, E] -> [m, P]``."""
    return seen(features, 0)[:, :-_COUNTERS]


def squared(left: jax.Array, right: jax.Array) -> jax.Array:
    """Squared distances of features: ``[m, E], [C, E] -> [m, C]``."""
    norms = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1)
    product = jnp.matmul(left, right.T, precision=jax.lax.Precision.HIGHEST)
    apart = norms - 2 * product
    # What rounding leaves between equal ones is no distance.
    return jnp.where(apart < 1e-5, 0.0, apart)
