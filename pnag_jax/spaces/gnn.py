"""NAS-Bench-Graph: four graph-neural operations on one of nine trees.

Qin et al., "NAS-Bench-Graph: Benchmarking Graph Neural Architecture Search",
NeurIPS 2022 (datasets and benchmarks).

The genotype is ``[link, op 1, op 2, op 3, op 4]``.  ``link`` names one of the
nine rooted trees of five nodes, the root being the input: each operation reads
the output of its father.  The operations that nobody reads are concatenated
into the output.
"""

from __future__ import annotations

import dataclasses
import re

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from pnag_jax.spaces import gnn_costs, gnn_forms
from pnag_jax.spaces.base import (
    Graph,
    Labels,
    Space,
    SpaceError,
    as_scores,
    from_index,
    over_batch,
    to_index,
)
from pnag_jax.spaces.gnn_forms import CHOICES, LINKS, OPS, SKIP

NUM_OPS = len(LINKS[0])


def _adjacency(link: tuple[int, ...]) -> np.ndarray:
    """Fathers feed operations, operations that nobody reads feed the output."""
    a = np.zeros((NUM_OPS + 2, NUM_OPS + 2), np.float32)
    for node, father in enumerate(link, start=1):
        a[father, node] = 1
    a[1:-1, -1] = a[1:-1].sum(1) == 0
    return a


ADJACENCIES = np.stack([_adjacency(link) for link in LINKS])


@dataclasses.dataclass(frozen=True)
class Gnn(Space):
    """The space of the benchmark's 26,206 distinct networks.

    Of 9^5 = 59,049 genotypes those are valid that are in canonical form (see
    ``gnn_forms``) and do not consist of skips alone: the keys of the table.
    ``size`` counts the valid ones, as the literature does.
    """

    name: str = "gnn"
    fields: tuple[str, ...] = ("link", *(f"op{i}" for i in range(1, NUM_OPS + 1)))
    choices: tuple[int, ...] = CHOICES
    op_names: tuple[str, ...] = ("input", *OPS, "output")
    num_nodes: int = NUM_OPS + 2
    size: int = 26_206

    def sample(self, key: jax.Array, n: int) -> jax.Array:
        valid = jnp.asarray(gnn_forms.valid_indices())
        rows = jax.random.randint(key, (n,), 0, valid.shape[0])
        return from_index(valid[rows], self.choices)

    def is_valid(self, genotype: ArrayLike) -> jax.Array:
        genotype = jnp.asarray(genotype)
        in_form = jnp.all(genotype == self.canonical(genotype), axis=-1)
        computes = jnp.any(genotype[..., 1:] != SKIP, axis=-1)
        return in_form & computes & self.in_range(genotype)

    def canonical(self, genotype: ArrayLike) -> jax.Array:
        """The benchmark's representative; all-skip genotypes share one, invalid."""
        index = to_index(genotype, self.choices)
        return from_index(jnp.asarray(gnn_forms.canonical_index())[index], self.choices)

    def neighbours(self, genotype: ArrayLike) -> jax.Array:
        """All changes of one gene, each in canonical form: ``[..., L] -> [..., K, L]``.

        Some changes meet in one network, and some rows may be invalid.
        """
        return self.canonical(super().neighbours(genotype))

    @over_batch(1)
    def to_graph(self, genotype: jax.Array) -> Graph:
        inner = jax.nn.one_hot(genotype[1:] + 1, self.num_ops)
        ends = jax.nn.one_hot(jnp.array([0, self.num_ops - 1]), self.num_ops)
        return Graph(
            ops=jnp.concatenate([ends[:1], inner, ends[1:]]),
            adjacency=jnp.asarray(ADJACENCIES)[genotype[0]],
            mask=jnp.ones(self.num_nodes),
        )

    def free_decode(self, op_logits: ArrayLike, edge_logits: ArrayLike) -> jax.Array:
        """The likeliest tree and operations, in canonical form.

        With independent edges the likeliest of the nine trees has the largest
        sum of log-odds over its edges.  The result is invalid when all four
        operations are skips.
        """
        link = _best_link(edge_logits)
        ops = jnp.argmax(_op_scores(op_logits), axis=-1)
        return self.canonical(jnp.concatenate([link[..., None], ops], axis=-1))

    def from_graph(self, op_logits: ArrayLike, edge_logits: ArrayLike) -> jax.Array:
        """``free_decode``, but of four skips the cheapest one is replaced."""
        link, scores = _best_link(edge_logits), _op_scores(op_logits)
        ops = jnp.argmax(scores, axis=-1)
        loss = scores[..., SKIP] - scores[..., :SKIP].max(-1)
        cheapest = jnp.arange(NUM_OPS) == jnp.argmin(loss, axis=-1)[..., None]
        replaced = jnp.where(cheapest, jnp.argmax(scores[..., :SKIP], axis=-1), ops)
        all_skip = jnp.all(ops == SKIP, axis=-1, keepdims=True)
        ops = jnp.where(all_skip, replaced, ops)
        return self.canonical(jnp.concatenate([link[..., None], ops], axis=-1))

    def sub_architecture(self, genotype: ArrayLike, n: int) -> jax.Array:
        """Keeps the first ``n - 2`` operations from the input on.

        Operations other than skip come first.  The others leave the tree, and
        skips stand for them in front, where they compute nothing.
        """
        self.check_sub_size(n)
        if n == self.num_nodes:
            return jnp.asarray(genotype)
        index = to_index(genotype, self.choices)
        return from_index(jnp.asarray(gnn_forms.sub_index(n - 2))[index], self.choices)

    def params(self, genotype: ArrayLike, dataset: str = "cora") -> jax.Array:
        """Of the network that the benchmark trains on ``dataset``.

        Equals the table's column in every row of seven data sets; see
        ``gnn_costs`` for the eighth, ``physics``.

        Raises:
          SpaceError: no such data set.
        """
        index = to_index(genotype, self.choices)
        return jnp.asarray(gnn_costs.params(dataset))[index]

    def flops(self, genotype: ArrayLike, dataset: str = "cora") -> jax.Array:
        """For one pass over the whole graph of ``dataset``; see ``gnn_costs``.

        Raises:
          SpaceError: no such data set.
        """
        index = to_index(genotype, self.choices)
        return jnp.asarray(gnn_costs.flops(dataset))[index]

    def to_string(self, genotype: ArrayLike) -> str:
        """Fathers and names, e.g. ``"[0, 0, 1, 2] ['gcn', 'gin', 'fc', 'cheb']"``."""
        link, *ops = self.check(genotype)
        return f"{list(LINKS[link])} {[OPS[op] for op in ops]}"

    def from_string(self, text: str) -> np.ndarray:
        found = re.fullmatch(r"\s*\[([\d,\s]*)\]\s*\[([\w',\"\s]*)\]\s*", text)
        if found is None:
            raise SpaceError(
                f"gnn: {text!r} is not of the form \"[0, 0, 1, 2] ['gcn', 'gin', 'fc', 'cheb']\""
            )
        fathers = tuple(int(number) for number in re.findall(r"\d+", found[1]))
        names = re.findall(r"\w+", found[2])
        if fathers not in LINKS:
            accepted = ", ".join(str(list(link)) for link in LINKS)
            raise SpaceError(f"gnn: fathers {list(fathers)} in {text!r}; accepted are {accepted}")
        if len(names) != NUM_OPS or not set(names) <= set(OPS):
            raise SpaceError(
                f"gnn: operations {names} in {text!r}; accepted are {NUM_OPS} of {', '.join(OPS)}"
            )
        return np.array([LINKS.index(fathers), *map(OPS.index, names)], np.int32)

    def labels(self, genotype: ArrayLike) -> Labels:
        """Input, the four operations and output as nodes of the tree."""
        link, *ops = self.check(genotype)
        edges = tuple((int(i), int(j), "") for i, j in np.argwhere(ADJACENCIES[link]))
        return Labels(nodes=("input", *(OPS[op] for op in ops), "output"), edges=edges)


def _op_scores(op_logits: ArrayLike) -> jax.Array:
    """Scores of the nine operations a node: ``[..., 4, 9]``."""
    return as_scores(op_logits)[..., 1:-1, 1:-1]


def _best_link(edge_logits: ArrayLike) -> jax.Array:
    """Index of the tree with the largest sum of log-odds: int ``[...]``."""
    # Scaled by the largest number of edges of a tree, so that sums stay finite.
    scores = as_scores(edge_logits) / (2 * NUM_OPS)
    totals = jnp.einsum("...ij,tij->...t", scores, jnp.asarray(ADJACENCIES, scores.dtype))
    return jnp.argmax(totals, axis=-1)
