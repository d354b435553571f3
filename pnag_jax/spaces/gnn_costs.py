"""Parameters and multiply-accumulates of the networks of NAS-Bench-Graph.

The network on a data set of F features and C classes, with hidden width H:

* a linear layer F -> H in front, on some data sets;
* the four operations of the architecture, each from the width of what it
  reads (F as long as only skips lie between it and the input) to H;
* four batch norms of width H, skips included;
* the concatenated leaves, either straight to C classes or, on some data sets,
  through a linear layer to H first.

Which data set has which layers, and the counts of each operation, were found
from the table's parameter column.  They give it exactly for all 26,206
networks on each of seven data sets, and for 24,639 of them on ``physics``.  The
other 1,567 entries of that column are means over three runs which, by the
numbers, did not all train the same network.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from pnag_jax.spaces.base import SpaceError
from pnag_jax.spaces.gnn_forms import CHOICES, LINKS, OPS, SKIP, canonical_index


class Network(NamedTuple):
    """A data set (one graph) and the layers around the architecture."""

    nodes: int
    edges: int
    features: int
    classes: int
    hidden: int
    linear_before: bool
    linear_after: bool


# Edges count both directions where the graph has both.
NETWORKS = {
    "cora": Network(2_708, 10_556, 1_433, 7, 256, False, True),
    "citeseer": Network(3_327, 9_104, 3_703, 6, 256, False, True),
    "pubmed": Network(19_717, 88_648, 500, 3, 128, False, False),
    "cs": Network(18_333, 163_788, 6_805, 15, 128, True, False),
    "physics": Network(34_493, 495_924, 8_415, 5, 256, True, False),
    "photo": Network(7_650, 238_162, 745, 8, 128, False, False),
    "computers": Network(13_752, 491_722, 767, 10, 64, True, True),
    "arxiv": Network(169_343, 1_166_243, 128, 40, 128, False, True),
}


class Layer(NamedTuple):
    """What an operation from width W to width H holds and does.

    Attributes:
      dense: products with a W x H matrix, for every graph node.
      unused: H x H matrices that it holds and does not use.
      vectors: vectors of length H: a bias, or what gives attention scores.
      sums_input: sums over neighbours at width W, before the product.
      sums_hidden: sums over neighbours at width H, after the product.
    """

    dense: int
    unused: int = 0
    vectors: int = 1
    sums_input: int = 0
    sums_hidden: int = 0


LAYERS = {
    "gat": Layer(dense=1, vectors=3, sums_hidden=1),
    "gcn": Layer(dense=1, sums_hidden=1),
    "gin": Layer(dense=1, sums_input=1),
    "cheb": Layer(dense=2, sums_input=1),
    "sage": Layer(dense=2, sums_input=1),
    # Holds the weights of a second ARMA iteration, but runs one.
    "arma": Layer(dense=2, unused=1, sums_hidden=1),
    "graph": Layer(dense=2, sums_input=1),
    "fc": Layer(dense=1),
    "skip": Layer(dense=0, vectors=0),
}


@functools.cache
def params(dataset: str) -> np.ndarray:
    """Parameters of every genotype's canonical form: float32 ``[59049]``."""
    net = _network(dataset)
    hidden = net.hidden
    fixed = 4 * 2 * hidden  # the batch norms
    if net.linear_before:
        fixed += (net.features + 1) * hidden
    if net.linear_after:
        fixed += hidden + (hidden + 1) * net.classes
    else:
        fixed += net.classes
    per_leaf = hidden * (hidden if net.linear_after else net.classes)

    def layer(op: Layer, width: int) -> int:
        return op.dense * width * hidden + op.unused * hidden**2 + op.vectors * hidden

    return _totals(net, fixed, per_leaf, layer)


@functools.cache
def flops(dataset: str) -> np.ndarray:
    """Multiply-accumulates of one pass over the graph: float32 ``[59049]``.

    Of the matrix products at the graph's nodes (features taken as dense) and
    of the sums over its edges.  Attention scores, activations and norms are
    left out.  The table has no such column.
    """
    net = _network(dataset)
    hidden = net.hidden
    fixed = net.features * hidden if net.linear_before else 0
    if net.linear_after:
        fixed += hidden * net.classes
    per_leaf = hidden * (hidden if net.linear_after else net.classes)

    def layer(op: Layer, width: int) -> int:
        at_edges = op.sums_input * width + op.sums_hidden * hidden
        return net.nodes * op.dense * width * hidden + net.edges * at_edges

    return _totals(net, net.nodes * fixed, net.nodes * per_leaf, layer)


def _network(dataset: str) -> Network:
    if dataset not in NETWORKS:
        raise SpaceError(f"gnn: dataset = {dataset!r}; accepted are {', '.join(sorted(NETWORKS))}")
    return NETWORKS[dataset]


def _totals(
    net: Network, fixed: int, per_leaf: int, layer: Callable[[Layer, int], int]
) -> np.ndarray:
    """``fixed``, the operations by what they read, and the leaves, summed."""
    input_width = net.hidden if net.linear_before else net.features
    of_input = np.array([layer(LAYERS[op], input_width) for op in OPS], np.int64)
    of_hidden = np.array([layer(LAYERS[op], net.hidden) for op in OPS], np.int64)
    link, *ops = np.indices(CHOICES).reshape(len(CHOICES), -1)
    fathers = np.array(LINKS)[link].T
    total = np.full(link.shape, fixed, np.int64)
    # Whether a node still has the input's width; row 0 is the input itself.
    unchanged = np.ones((len(ops) + 1, link.size), bool)
    for node, (op, father) in enumerate(zip(ops, fathers, strict=True), start=1):
        reads_input = np.take_along_axis(unchanged, father[None], axis=0)[0]
        total += np.where(reads_input, of_input[op], of_hidden[op])
        unchanged[node] = reads_input & (op == SKIP)
        total += per_leaf * (fathers != node).all(0)
    return total[canonical_index()].astype(np.float32)
