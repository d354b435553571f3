"""DARTS: a normal and a reduction cell, four nodes each, two inputs a node.

Liu, Simonyan and Yang, "DARTS: Differentiable Architecture Search", ICLR 2019.

The genotype has four genes a node, ``source, operation`` twice, of the normal
cell first.  Sources 0 and 1 are the outputs of the two cells before, 2 to 5 the
nodes.  In the graph a node is one of 49 kinds, which say both its operations,
that on the earlier source first.
"""

from __future__ import annotations

import ast
import dataclasses
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from pnag_jax.spaces import chain, darts_cells, darts_costs, literals
from pnag_jax.spaces.base import Graph, Labels, Space, SpaceError, as_scores, over_batch
from pnag_jax.spaces.darts_cells import NUM_INNER, NUM_INPUTS
from pnag_jax.spaces.darts_costs import OPS, SKIP

CELLS = ("normal", "reduce")
NUM_SLOTS = len(CELLS) * NUM_INNER
# Pairs of operations, by ``first * 7 + second``.
KINDS = tuple(f"{a}+{b}" for a, b in itertools.product(OPS, OPS))

# The nodes that the output concatenates, by the numbers of the genotype tuple.
_CONCAT = list(range(NUM_INPUTS, NUM_INPUTS + NUM_INNER))
_FORM = "Genotype(normal=[('sep_conv_3x3', 0), ...], normal_concat=[2, 3, 4, 5], reduce=...)"

# Nodes of the graph: inputs and nodes of the normal cell, the same of the
# reduction cell, the output.
_BASES = (0, NUM_INPUTS + NUM_INNER)
_OUTPUT = len(CELLS) * (NUM_INPUTS + NUM_INNER)
_PLACES = tuple(base + NUM_INPUTS + i for base in _BASES for i in range(NUM_INNER))

# Both inputs of the cell, passed on: what stands where a coarse version has no node.
_BLANK = (0, SKIP, 1, SKIP)


def _fixed_links() -> np.ndarray:
    """The adjacency that all architectures share: float32 ``[13, 13]``.

    The second input of a cell is the output of the cell before, the first that
    of the cell before that one.
    """
    links = np.zeros((_OUTPUT + 1, _OUTPUT + 1), np.float32)
    normal, reduction = _BASES
    links[normal, normal + 1] = links[normal + 1, reduction] = 1
    links[list(_PLACES[:NUM_INNER]), reduction + 1] = 1
    links[list(_PLACES[NUM_INNER:]), _OUTPUT] = 1
    return links


_FIXED = _fixed_links()


@dataclasses.dataclass(frozen=True)
class Darts(Space):
    """The space of (7^8 * 180)^2 pairs of cells, about 10^18.

    A genotype is valid when both sources of every node differ.  ``size`` counts
    valid genotypes, the order of a node's two inputs aside.
    """

    name: str = "darts"
    fields: tuple[str, ...] = tuple(
        f"{cell}.{NUM_INPUTS + i}.{gene}"
        for cell in CELLS
        for i in range(NUM_INNER)
        for gene in ("source0", "op0", "source1", "op1")
    )
    choices: tuple[int, ...] = tuple(
        count for _ in CELLS for i in range(NUM_INNER) for count in (NUM_INPUTS + i, len(OPS)) * 2
    )
    op_names: tuple[str, ...] = ("input", *KINDS, "output")
    num_nodes: int = _OUTPUT + 1
    size: int = math.prod(
        math.comb(NUM_INPUTS + i, 2) * len(OPS) ** 2 for _ in CELLS for i in range(NUM_INNER)
    )

    def sample(self, key: jax.Array, n: int) -> jax.Array:
        """Draws uniformly, the order of a node's inputs aside; the earlier one is first."""
        key_source, key_gap, key_op = jax.random.split(key, 3)
        count = jnp.asarray([NUM_INPUTS + i for i in range(NUM_INNER)])
        shape = (n, len(CELLS), NUM_INNER)
        first = jax.random.randint(key_source, shape, 0, count)
        # Any source but the first one, uniformly.
        second = (first + jax.random.randint(key_gap, shape, 1, count)) % count
        ops = jax.random.randint(key_op, (*shape, 2), 0, len(OPS))
        cells = jnp.stack([first, ops[..., 0], second, ops[..., 1]], axis=-1)
        return _joined(darts_cells.ordered(cells))

    def is_valid(self, genotype: ArrayLike) -> jax.Array:
        return jnp.all(darts_cells.distinct(_split(genotype)), axis=-1) & self.in_range(genotype)

    def canonical(self, genotype: ArrayLike) -> jax.Array:
        """Inputs and nodes of both cells in the order of ``darts_cells.canonical``."""
        return _joined(darts_cells.canonical(_split(genotype)))

    @over_batch(1)
    def to_graph(self, genotype: jax.Array) -> Graph:
        """Both cells, one after the other; a node's kind names the earlier source's first."""
        cells = darts_cells.ordered(_split(genotype))
        kinds = 1 + cells[..., 1] * len(OPS) + cells[..., 3]
        nodes = jnp.zeros(self.num_nodes, jnp.int32).at[np.array(_PLACES)].set(kinds.reshape(-1))
        nodes = nodes.at[_OUTPUT].set(self.num_ops - 1)
        sources = (cells[..., 0::2] + np.array(_BASES)[:, None, None]).reshape(NUM_SLOTS, 2)
        links = jnp.asarray(_FIXED).at[sources, np.array(_PLACES)[:, None]].set(1)
        return Graph(
            ops=jax.nn.one_hot(nodes, self.num_ops),
            adjacency=links,
            mask=jnp.ones(self.num_nodes),
        )

    @over_batch(2, 2)
    def free_decode(self, op_logits: jax.Array, edge_logits: jax.Array) -> jax.Array:
        """The likeliest kinds, and as sources the links of positive log-odds.

        Where a node has another number of such links than two, its likeliest source
        stands twice, which is invalid.
        """
        return _decoded(op_logits, edge_logits, repair=False)

    @over_batch(2, 2)
    def from_graph(self, op_logits: jax.Array, edge_logits: jax.Array) -> jax.Array:
        """Exact: the likeliest kinds, and the two likeliest sources of every node."""
        return _decoded(op_logits, edge_logits, repair=True)

    def sub_architecture(self, genotype: ArrayLike, n: int) -> jax.Array:
        """Keeps ``n - 2`` of the eight nodes, spread over both cells (``chain.kept``).

        The others pass on both inputs of their cell.
        """
        self.check_sub_size(n)
        kept = chain.kept(NUM_SLOTS, min(n - 2, NUM_SLOTS))
        blank = np.array(_BLANK * NUM_SLOTS)
        return jnp.where(np.repeat(kept, len(_BLANK)), jnp.asarray(genotype), blank)

    def params(
        self, genotype: ArrayLike, num_classes: int = 10, *, channels: int = 36, cells: int = 20
    ) -> jax.Array:
        """Of the network for CIFAR without its auxiliary head, 36 channels and 20 cells.

        Raises:
          SpaceError: no cell, or channels that are odd or below 2.
        """
        costs = darts_costs.params(channels, cells, num_classes)
        return darts_costs.total(_split(genotype), costs)

    def flops(
        self, genotype: ArrayLike, num_classes: int = 10, *, channels: int = 36, cells: int = 20
    ) -> jax.Array:
        """Of convolutions and the classifier for one 32 x 32 image; arguments as ``params``."""
        costs = darts_costs.flops(channels, cells, num_classes)
        return darts_costs.total(_split(genotype), costs)

    def to_string(self, genotype: ArrayLike) -> str:
        """The genotype tuple as the authors' code prints it.

        ``Genotype(normal=[('sep_conv_3x3', 0), ...], normal_concat=[2, 3, 4, 5],
        reduce=[...], reduce_concat=[2, 3, 4, 5])``, eight pairs a cell.
        """
        cells = self.check(genotype).reshape(len(CELLS), -1, 2).tolist()
        parts = [
            f"{name}={[(OPS[op], source) for source, op in pairs]}, {name}_concat={_CONCAT}"
            for name, pairs in zip(CELLS, cells, strict=True)
        ]
        return f"Genotype({', '.join(parts)})"

    def from_string(self, text: str) -> np.ndarray:
        """Inverse of ``to_string``; ``range(2, 6)`` says the same as the list."""
        given = _arguments(text)
        for name in CELLS:
            if given[f"{name}_concat"] != _CONCAT:
                raise SpaceError(
                    f"darts: {name}_concat = {given[f'{name}_concat']!r}; accepted is {_CONCAT}"
                )
        genes = [gene for name in CELLS for gene in _read_cell(name, given[name])]
        return np.array(genes, np.int32)

    def labels(self, genotype: ArrayLike) -> Labels:
        """Both cells, every operation a node between its source and the node it is added to.

        Tensors have the numbers of the genotype, the first one is ``input``.
        """
        cells = self.check(genotype).reshape(len(CELLS), NUM_INNER, 2, 2).tolist()
        names = ["input", "1"]
        edges = [(0, 1)]
        tensors = [0, 1]
        for index, cell in enumerate(cells):
            if index:
                # The output of the cell before, and what that read as such.
                names += ["0", "1"]
                edges += [(tensors[1], len(names) - 2)]
                edges += [(tensor, len(names) - 1) for tensor in tensors[NUM_INPUTS:]]
                tensors = [len(names) - 2, len(names) - 1]
            for number, pairs in enumerate(cell, start=NUM_INPUTS):
                first = len(names)
                names += [*(OPS[op] for _, op in pairs), str(number)]
                edges += [(tensors[source], first + i) for i, (source, _) in enumerate(pairs)]
                edges += [(first + i, first + len(pairs)) for i in range(len(pairs))]
                tensors.append(first + len(pairs))
        names.append("output")
        edges += [(tensor, len(names) - 1) for tensor in tensors[NUM_INPUTS:]]
        return Labels(nodes=tuple(names), edges=tuple((a, b, "") for a, b in edges))


def _split(genotype: ArrayLike) -> jax.Array:
    """Both cells of a genotype: ``[..., 32] -> int32 [..., 2, 4, 4]``."""
    genes = jnp.asarray(genotype).astype(jnp.int32)
    return genes.reshape(*genes.shape[:-1], len(CELLS), NUM_INNER, 4)


def _joined(cells: jax.Array) -> jax.Array:
    """Inverse of ``_split``."""
    return cells.reshape(*cells.shape[:-3], -1).astype(jnp.int32)


def _decoded(op_logits: jax.Array, edge_logits: jax.Array, *, repair: bool) -> jax.Array:
    """A genotype from scores of one architecture; see ``Darts.free_decode``."""
    kinds = jnp.argmax(as_scores(op_logits)[np.array(_PLACES), 1:-1], axis=-1)
    scores = as_scores(edge_logits)
    genes = []
    for slot, place in enumerate(_PLACES):
        found = scores[_BASES[slot // NUM_INNER] : place, place]  # of its sources
        first = jnp.argmax(found)
        second = jnp.argmax(jnp.where(jnp.arange(len(found)) == first, -jnp.inf, found))
        if not repair:
            second = jnp.where((found > 0).sum() == 2, second, first)
        ends = jnp.stack([jnp.minimum(first, second), jnp.maximum(first, second)])
        ops = jnp.stack([kinds[slot] // len(OPS), kinds[slot] % len(OPS)])
        genes.append(jnp.stack([ends, ops], axis=-1).reshape(-1))
    return jnp.concatenate(genes).astype(jnp.int32)


def _arguments(text: str) -> dict[str, object]:
    """The four arguments of a genotype tuple; ``SpaceError`` where it is none."""
    wanted = [key for name in CELLS for key in (name, f"{name}_concat")]
    try:
        call = literals.parse(text)
        if not isinstance(call, ast.Call) or getattr(call.func, "id", None) != "Genotype":
            raise ValueError("it is no Genotype(...)")
        given = {keyword.arg: _value(keyword.value) for keyword in call.keywords}
    except ValueError as error:
        raise SpaceError(f"darts: {text!r} is not of the form {_FORM}: {error}") from None
    if call.args or len(call.keywords) != len(wanted) or set(given) != set(wanted):
        raise SpaceError(f"darts: {text!r} has not just the arguments {', '.join(wanted)}")
    return {key: given[key] for key in wanted}


def _value(tree: ast.expr) -> object:
    """A literal, or a ``range`` of literals as the list that it means."""
    if isinstance(tree, ast.Call) and getattr(tree.func, "id", None) == "range":
        bounds = [literals.value(bound) for bound in tree.args]
        if bounds != [_CONCAT[0], _CONCAT[-1] + 1] or tree.keywords:
            raise ValueError(f"the only range accepted is range({_CONCAT[0]}, {_CONCAT[-1] + 1})")
        return _CONCAT
    return literals.value(tree)


def _read_cell(name: str, pairs: object) -> list[int]:
    """Genes of one cell from its list of ``(operation, source)``."""
    count = 2 * NUM_INNER
    if not isinstance(pairs, list | tuple) or len(pairs) != count:
        raise SpaceError(f"darts: {name} = {pairs!r}; accepted are lists of {count} pairs")
    genes = []
    for i, pair in enumerate(pairs):
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise SpaceError(
                f"darts: {name}[{i}] = {pair!r}; accepted are pairs (operation, source)"
            )
        op, source = pair
        if op not in OPS:
            raise SpaceError(f"darts: {name}[{i}] = {pair!r}; operations are {', '.join(OPS)}")
        last = NUM_INPUTS + i // 2 - 1
        if type(source) is not int or not 0 <= source <= last:
            raise SpaceError(f"darts: {name}[{i}] = {pair!r}; sources are 0 .. {last}")
        genes += [source, OPS.index(op)]
    return genes
