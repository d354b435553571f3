"""NAS-Bench-201: a cell of four tensors and six edges, five operations an edge.

Dong and Yang, "NAS-Bench-201: Extending the Scope of Reproducible Neural
Architecture Search", ICLR 2020.

The genotype has one gene an edge, in the order 0->1, 0->2, 1->2, 0->3, 1->3,
2->3.  As a graph the six edges are the operation nodes, between an input and
an output node, so the adjacency is the same for every cell and all of the
architecture is in the node types.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import re

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from pnag_jax.spaces.base import (
    Graph,
    Labels,
    Space,
    SpaceError,
    as_scores,
    first_max,
    from_index,
    over_batch,
    to_index,
)

OPS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
NONE, SKIP, CONV1, CONV3, POOL = range(5)

# (source tensor, target tensor) of every gene.
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))

# Genes of every path from tensor 0 to tensor 3, shortest first.  A cell is
# functional when one of them is free of ``none``.
PATHS = ((3,), (0, 4), (1, 5), (0, 2, 5))

# Where the coarse versions of a path put its first operations: a path
# contracted to k operations takes the first path of that length.
_CONTRACTED = {1: (3,), 2: (0, 4)}


def _adjacency() -> np.ndarray:
    """Edge nodes are linked where one's target tensor is the other's source."""
    num_nodes = len(EDGES) + 2
    a = np.zeros((num_nodes, num_nodes), np.float32)
    for i, (source, target) in enumerate(EDGES, start=1):
        a[0, i] = source == 0
        a[i, -1] = target == 3
        for j, (next_source, _) in enumerate(EDGES, start=1):
            a[i, j] = target == next_source
    return a


ADJACENCY = _adjacency()


@functools.cache
def _canonical_index() -> np.ndarray:
    """Index of the representative of every genotype: int32 ``[15625]``.

    The form follows what a cell computes.  A tensor is a sum (a multiset) of
    terms; ``none`` adds nothing, ``skip_connect`` adds the terms of its
    source, every other operation adds one term that names it and its source;
    an operation on an empty sum is an empty sum.  The representative of a
    class is its member of lowest index.

    The benchmark's own string form gives 6,466 classes; its strings keep the
    zero terms of a sum and do not sort terms that a skip connection brings in,
    so that it tells apart some cells which compute the same.
    """
    first_of_class: dict[tuple, int] = {}
    result = np.empty(len(OPS) ** len(EDGES), np.int32)
    for index, genotype in enumerate(itertools.product(range(len(OPS)), repeat=len(EDGES))):
        tensors: list[tuple] = [("x",), (), (), ()]
        for (source, target), op in zip(EDGES, genotype, strict=True):
            terms = tensors[source]
            if op == SKIP:
                tensors[target] += terms
            elif op != NONE and terms:
                tensors[target] += ((op, tuple(sorted(map(repr, terms)))),)
        form = tuple(sorted(map(repr, tensors[3])))
        result[index] = first_of_class.setdefault(form, index)
    return result


@dataclasses.dataclass(frozen=True)
class Nb201(Space):
    """The space of 15,625 cells; 15,284 of them are functional and thus valid.

    ``size`` counts all genotypes, as the literature does.
    """

    name: str = "nb201"
    fields: tuple[str, ...] = tuple(f"{i}->{j}" for i, j in EDGES)
    choices: tuple[int, ...] = (len(OPS),) * len(EDGES)
    op_names: tuple[str, ...] = ("input", *OPS, "output")
    num_nodes: int = len(EDGES) + 2
    size: int = len(OPS) ** len(EDGES)

    def sample(self, key: jax.Array, n: int) -> jax.Array:
        valid = jnp.asarray(_functional_indices())
        rows = jax.random.randint(key, (n,), 0, valid.shape[0])
        return from_index(valid[rows], self.choices)

    def is_valid(self, genotype: ArrayLike) -> jax.Array:
        genotype = jnp.asarray(genotype)
        live = genotype != NONE
        functional = functools.reduce(
            jnp.logical_or, (live[..., list(path)].all(-1) for path in PATHS)
        )
        return functional & self.in_range(genotype)

    def canonical(self, genotype: ArrayLike) -> jax.Array:
        index = to_index(genotype, self.choices)
        return from_index(jnp.asarray(_canonical_index())[index], self.choices)

    @over_batch(1)
    def to_graph(self, genotype: jax.Array) -> Graph:
        inner = jax.nn.one_hot(genotype + 1, self.num_ops)
        ends = jax.nn.one_hot(jnp.array([0, self.num_ops - 1]), self.num_ops)
        return Graph(
            ops=jnp.concatenate([ends[:1], inner, ends[1:]]),
            adjacency=jnp.asarray(ADJACENCY),
            mask=jnp.ones(self.num_nodes),
        )

    def free_decode(self, op_logits: ArrayLike, edge_logits: ArrayLike) -> jax.Array:
        del edge_logits  # the adjacency is fixed
        return jnp.argmax(_gene_scores(op_logits), axis=-1).astype(jnp.int32)

    def from_graph(self, op_logits: ArrayLike, edge_logits: ArrayLike) -> jax.Array:
        """Exact: opens the path whose ``none`` genes cost least to replace."""
        del edge_logits
        scores = _gene_scores(op_logits)
        best, place = first_max(scores[..., 1:])
        best_live = 1 + place
        # What opening a gene costs.  Never quite zero, so that of equally good
        # cells one that is functional without any repair stays as it is.
        loss = scores[..., NONE] - best
        free = jnp.where(loss >= 0, NONE, best_live)
        cost = jnp.where(free == NONE, jnp.maximum(loss, jnp.finfo(loss.dtype).tiny), 0)
        path_cost = jnp.stack([sum(cost[..., i] for i in path) for path in PATHS], axis=-1)
        _, opened = first_max(-path_cost)
        forced = jnp.stack([_is_on_path(opened, i) for i in range(len(EDGES))], axis=-1)
        return jnp.where(forced, best_live, free).astype(jnp.int32)

    @over_batch(1)
    def sub_architecture(self, genotype: jax.Array, n: int) -> jax.Array:
        """Keeps ``n - 2`` edges, those of the shortest live path first.

        A live path longer than ``n - 2`` is contracted: its first operations
        stand on a shorter path.  Edges that are not kept are ``none``.
        """
        self.check_sub_size(n)
        kept_ops = n - 2
        versions = []
        for path in PATHS:
            order = (*path, *(g for g in range(len(EDGES)) if g not in path))
            coarse = jnp.full_like(genotype, NONE)
            if kept_ops >= len(path):
                kept = jnp.array(order[:kept_ops])
                coarse = coarse.at[kept].set(genotype[kept])
            else:
                target = jnp.array(_CONTRACTED[kept_ops])
                coarse = coarse.at[target].set(genotype[jnp.array(path[:kept_ops])])
            versions.append(coarse)
        live = jnp.stack([(genotype[jnp.array(path)] != NONE).all() for path in PATHS])
        return jnp.stack(versions)[jnp.argmax(live)]

    def params(self, genotype: ArrayLike, num_classes: int = 10) -> jax.Array:
        """Of the benchmark's network (16 channels, 5 cells a stage)."""
        conv1, conv3 = _conv_counts(genotype)
        fixed = 73_306 + 65 * (num_classes - 10)
        return (fixed + 28_000 * conv1 + 243_040 * conv3).astype(jnp.float32)

    def flops(self, genotype: ArrayLike, num_classes: int = 10) -> jax.Array:
        """Of the benchmark's network on one 32 x 32 image."""
        conv1, conv3 = _conv_counts(genotype)
        fixed = 7_783_050 + 65 * (num_classes - 10)
        return (fixed + 3_932_160 * conv1 + 35_389_440 * conv3).astype(jnp.float32)

    def to_string(self, genotype: ArrayLike) -> str:
        genes = self.check(genotype)
        groups: dict[int, str] = {}
        for (source, target), op in zip(EDGES, genes, strict=True):
            groups[target] = groups.get(target, "|") + f"{OPS[op]}~{source}|"
        return "+".join(groups[t] for t in (1, 2, 3))

    def from_string(self, text: str) -> np.ndarray:
        genes = dict.fromkeys(EDGES, -1)
        groups = text.strip().split("+")
        for target, group in enumerate(groups, start=1):
            for op, source in re.findall(r"([^|~]+)~(\d+)", group):
                edge = (int(source), target)
                if op not in OPS or genes.get(edge) != -1:
                    raise SpaceError(
                        f"nb201: {op}~{source} at tensor {target} in {text!r}; operations are "
                        f"{', '.join(OPS)}, one an edge"
                    )
                genes[edge] = OPS.index(op)
        genotype = np.array(list(genes.values()), np.int32)
        if (genotype < 0).any() or self.to_string(genotype) != text.strip():
            raise SpaceError(
                f"nb201: {text!r} is not of the form |op~0|+|op~0|op~1|+|op~0|op~1|op~2|"
            )
        return genotype

    def labels(self, genotype: ArrayLike) -> Labels:
        """The four tensors as nodes, the operations other than none as edges."""
        genes = self.check(genotype)
        edges = tuple(
            (source, target, OPS[op])
            for (source, target), op in zip(EDGES, genes, strict=True)
            if op != NONE
        )
        return Labels(nodes=("input", "1", "2", "output"), edges=edges)


@functools.cache
def _functional_indices() -> np.ndarray:
    """Indices of the functional cells, ascending: int32 ``[15284]``."""
    genes = np.indices((len(OPS),) * len(EDGES)).reshape(len(EDGES), -1)
    live = genes != NONE
    functional = np.logical_or.reduce([live[list(path)].all(0) for path in PATHS])
    return np.flatnonzero(functional).astype(np.int32)


def _is_on_path(path: jax.Array, gene: int) -> jax.Array:
    """Whether a gene is on the path of that number: ``[...] -> bool [...]``."""
    numbers = [number for number, genes in enumerate(PATHS) if gene in genes]
    return functools.reduce(jnp.logical_or, (path == number for number in numbers))


def _gene_scores(op_logits: ArrayLike) -> jax.Array:
    """Scores of the five operations a gene, NaN as the lowest: ``[..., 6, 5]``."""
    return as_scores(op_logits)[..., 1:-1, 1:-1]


def _conv_counts(genotype: ArrayLike) -> tuple[jax.Array, jax.Array]:
    """Number of 1x1 and 3x3 convolutions: int32 ``[...]`` each."""
    genotype = jnp.asarray(genotype)
    conv1 = (genotype == CONV1).sum(-1, dtype=jnp.int32)
    conv3 = (genotype == CONV3).sum(-1, dtype=jnp.int32)
    return conv1, conv3
