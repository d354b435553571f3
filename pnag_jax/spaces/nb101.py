"""NAS-Bench-101: a cell of up to seven nodes and nine edges, three operations.

Ying et al., "NAS-Bench-101: Towards Reproducible Neural Architecture Search",
ICML 2019.

The genotype has one gene a possible edge of seven nodes, in the order 0->1,
0->2, 1->2, 0->3, ..., 5->6, and one an inner node, its operation.  Nodes that
lie on no path from input to output do not count: they are how a cell has fewer
than seven.  Inner nodes add up what they read, the output concatenates.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from pnag_jax.spaces import literals, nb101_cells, nb101_costs, nb101_decoding, nb101_enumeration
from pnag_jax.spaces.base import Graph, Labels, Space, SpaceError, as_scores, over_batch
from pnag_jax.spaces.nb101_cells import EDGES, INNER, MAX_EDGES, NUM_NODES, OUTPUT

OPS = ("conv1x1", "conv3x3", "maxpool3x3")
CONV1, CONV3, POOL = range(3)
# What stands in the graph where a cell has no node.
NONE = "none"

# One program each where nothing around them is compiled.
_canonical = jax.jit(nb101_cells.canonical)
_live_nodes = jax.jit(nb101_cells.live_nodes)
_pruned = jax.jit(nb101_cells.pruned)
_induced = jax.jit(nb101_cells.induced)

# The benchmark's names of the nodes.
_NAMES = ("conv1x1-bn-relu", "conv3x3-bn-relu", "maxpool3x3")
_ENDS = ("input", "output")


@dataclasses.dataclass(frozen=True)
class Nb101(Space):
    """The space of 423,624 distinct cells.

    A genotype is valid when a path leads from input to output and, without the
    nodes that no such path passes, at most nine edges are left.  The canonical
    form has no edges at other nodes, and is the same for isomorphic cells and
    for no others.  ``size`` counts cells, as the literature does.
    """

    name: str = "nb101"
    fields: tuple[str, ...] = (*(f"{i}->{j}" for i, j in EDGES), *(f"op{i}" for i in INNER))
    choices: tuple[int, ...] = (2,) * len(EDGES) + (len(OPS),) * len(INNER)
    op_names: tuple[str, ...] = ("input", *OPS, NONE, "output")
    num_nodes: int = NUM_NODES
    size: int = 423_624

    def sample(self, key: jax.Array, n: int) -> jax.Array:
        """Draws canonical forms, uniformly over the distinct cells: int32 ``[n, 26]``."""
        every = jnp.asarray(nb101_enumeration.indices())
        index = every[jax.random.randint(key, (n,), 0, len(every))]
        return _joined(index // nb101_enumeration.RADIX, index % nb101_enumeration.RADIX)

    def is_valid(self, genotype: ArrayLike) -> jax.Array:
        code, _ = _split(genotype)
        code = _pruned(code)
        small = (code > 0) & (nb101_cells.num_edges(code) <= MAX_EDGES)
        return small & self.in_range(genotype)

    def canonical(self, genotype: ArrayLike) -> jax.Array:
        """Pruned, with its inner nodes in the order of ``nb101_cells.canonical``."""
        return _joined(*_canonical(*_split(genotype)))

    @over_batch(1)
    def to_graph(self, genotype: jax.Array) -> Graph:
        """The pruned cell; the other nodes are of the type ``none``.

        They are no padding: that they have no edges is part of what a cell is.
        """
        code, ops = _split(genotype)
        live = (_live_nodes(code) >> jnp.arange(1, OUTPUT)) & 1
        inner = jnp.where(live, ops + 1, self.op_names.index(NONE))
        kinds = jnp.pad(inner, 1).at[-1].set(self.num_ops - 1)
        bits = nb101_cells.unpack(_pruned(code)).astype(jnp.float32)
        source, target = np.array(EDGES).T
        return Graph(
            ops=jax.nn.one_hot(kinds, self.num_ops),
            adjacency=jnp.zeros((NUM_NODES, NUM_NODES)).at[source, target].set(bits),
            mask=jnp.ones(NUM_NODES),
        )

    def free_decode(self, op_logits: ArrayLike, edge_logits: ArrayLike) -> jax.Array:
        """The edges of positive log-odds and the likeliest operations, in canonical form.

        Invalid when they do not connect input and output or are too many.
        """
        code = nb101_decoding.free_code(_edge_scores(edge_logits))
        return _joined(*_canonical(code, _best_ops(op_logits)))

    def from_graph(self, op_logits: ArrayLike, edge_logits: ArrayLike) -> jax.Array:
        """``free_decode``, with as few edges changed as ``nb101_decoding`` finds to be needed."""
        return self.canonical(self.from_graph_in_place(op_logits, edge_logits))

    def from_graph_in_place(self, op_logits: ArrayLike, edge_logits: ArrayLike) -> jax.Array:
        code = nb101_decoding.valid_code(_edge_scores(edge_logits))
        return jnp.concatenate([nb101_cells.unpack(code), _best_ops(op_logits)], axis=-1)

    def sub_architecture(self, genotype: ArrayLike, n: int) -> jax.Array:
        """Keeps ``n - 2`` of the inner nodes, spread over them; see ``nb101_cells.induced``."""
        self.check_sub_size(n)
        if n == self.num_nodes:
            return jnp.asarray(genotype)
        code, number = _canonical(*_split(genotype))
        live = _live_nodes(code)
        inner = nb101_cells.num_edges(live) - 2  # counts bits, here those of nodes
        # With the inner nodes cut into equal regions, the middle of each stays.
        regions = jnp.minimum(inner, n - 2)[..., None]
        middles = 1 + (2 * jnp.arange(n - 2) + 1) * inner[..., None] // (
            2 * jnp.maximum(regions, 1)
        )
        middles = jnp.where(jnp.arange(n - 2) < regions, middles, 0)
        kept = jnp.any(middles[..., None] == jnp.arange(NUM_NODES), axis=-2)
        kept = kept | np.isin(np.arange(NUM_NODES), (0, OUTPUT))
        kept = jnp.sum(kept << jnp.arange(NUM_NODES), axis=-1, dtype=jnp.int32)
        smaller = _induced(code, kept)
        return _joined(*_canonical(smaller, nb101_cells.unpack_ops(number)))

    def params(self, genotype: ArrayLike, num_classes: int = 10) -> jax.Array:
        """Of the benchmark's network, the nodes in the genotype's order.

        Where channels do not divide evenly, the first of the nodes that feed the
        output get one more, so that isomorphic cells may differ a little.
        """
        return nb101_costs.params(*_split(genotype), num_classes)

    def flops(self, genotype: ArrayLike, num_classes: int = 10) -> jax.Array:
        """Of convolutions and the classifier, for one 32 x 32 image; order as in ``params``."""
        return nb101_costs.flops(*_split(genotype), num_classes)

    def to_string(self, genotype: ArrayLike) -> str:
        """Adjacency matrix and operations, e.g.

        ``[[0, 1, 0], [0, 0, 1], [0, 0, 0]], ['input', 'maxpool3x3', 'output']``.
        Inner nodes at the end that have neither edges nor another operation than
        ``conv1x1-bn-relu`` are left out.
        """
        genes = self.check(genotype)
        matrix, ops = _matrix(genes), genes[len(EDGES) :]
        used = matrix[INNER].any(1) | matrix[:, INNER].any(0) | (ops != CONV1)
        shown = [0, *range(1, 1 + np.flatnonzero([True, *used]).max()), OUTPUT]
        names = [_ENDS[0], *(_NAMES[ops[node - 1]] for node in shown[1:-1]), _ENDS[1]]
        return f"{matrix[np.ix_(shown, shown)].astype(int).tolist()}, {names}"

    def from_string(self, text: str) -> np.ndarray:
        matrix, names = _read(text)
        shown = [*range(len(names) - 1), OUTPUT]
        whole = np.zeros((NUM_NODES, NUM_NODES), np.int32)
        whole[np.ix_(shown, shown)] = matrix
        ops = np.full(len(INNER), CONV1, np.int32)
        ops[: len(names) - 2] = [_NAMES.index(name) for name in names[1:-1]]
        return np.concatenate([whole[tuple(np.array(EDGES).T)], ops])

    def labels(self, genotype: ArrayLike) -> Labels:
        """Input, the nodes with edges and output; dangling ones too."""
        genes = self.check(genotype)
        matrix = _matrix(genes)
        linked = {0, OUTPUT, *np.argwhere(matrix).ravel().tolist()}
        shown = [node for node in range(NUM_NODES) if node in linked]
        names = [OPS[genes[len(EDGES) + node - 1]] for node in shown[1:-1]]
        edges = np.argwhere(matrix[np.ix_(shown, shown)]).tolist()
        return Labels(nodes=(_ENDS[0], *names, _ENDS[1]), edges=tuple((i, j, "") for i, j in edges))


def _split(genotype: ArrayLike) -> tuple[jax.Array, jax.Array]:
    """Code and operations of a genotype: int32 ``[...]``, ``[..., 5]``."""
    genes = jnp.asarray(genotype).astype(jnp.int32)
    return nb101_cells.pack(genes[..., : len(EDGES)] & 1), genes[..., len(EDGES) :]


def _joined(code: jax.Array, number: jax.Array) -> jax.Array:
    """The genotype of a code and a number of operations: int32 ``[..., 26]``."""
    return jnp.concatenate([nb101_cells.unpack(code), nb101_cells.unpack_ops(number)], axis=-1)


def _edge_scores(edge_logits: ArrayLike) -> jax.Array:
    """Log-odds of the edges, NaN as the lowest: ``[..., 21]``."""
    source, target = np.array(EDGES).T
    return as_scores(edge_logits)[..., source, target]


def _best_ops(op_logits: ArrayLike) -> jax.Array:
    """The likeliest operation of every inner node: int32 ``[..., 5]``."""
    scores = as_scores(op_logits)[..., 1:-1, 1 : 1 + len(OPS)]
    return jnp.argmax(scores, axis=-1).astype(jnp.int32)


def _matrix(genes: np.ndarray) -> np.ndarray:
    """The adjacency of all seven nodes as written: bool ``[7, 7]``."""
    matrix = np.zeros((NUM_NODES, NUM_NODES), bool)
    matrix[tuple(np.array(EDGES).T)] = genes[: len(EDGES)]
    return matrix


def _read(text: str) -> tuple[np.ndarray, list[str]]:
    """Matrix and names of a string; ``SpaceError`` where it is not of the form."""
    form = "[[0, 1, 0], [0, 0, 1], [0, 0, 0]], ['input', 'maxpool3x3', 'output']"
    try:
        found: Any = literals.read(text)
    except ValueError as error:
        raise SpaceError(f"nb101: {text!r} is not of the form {form}: {error}") from None
    if not isinstance(found, tuple) or len(found) != 2 or not all(type(x) is list for x in found):
        raise SpaceError(f"nb101: {text!r} is not of the form {form}")
    rows, names = found
    if not 2 <= len(names) <= NUM_NODES or (names[0], names[-1]) != _ENDS:
        raise SpaceError(
            f"nb101: nodes {names!r}; accepted are 2 to {NUM_NODES}, from input to output"
        )
    for name in names[1:-1]:
        if name not in _NAMES:
            raise SpaceError(f"nb101: operation {name!r}; accepted are {', '.join(_NAMES)}")
    square = [type(row) is list and len(row) == len(names) for row in rows]
    if len(rows) != len(names) or not all(square):
        raise SpaceError(f"nb101: the matrix {rows!r} is not {len(names)} x {len(names)}")
    for i, row in enumerate(rows):
        for j, entry in enumerate(row):
            if type(entry) is not int or entry not in ((0, 1) if i < j else (0,)):
                raise SpaceError(
                    f"nb101: entry {i}, {j} of the matrix = {entry!r}; accepted are 0 and 1"
                    " above the diagonal, 0 elsewhere"
                )
    return np.array(rows, np.int32), names
