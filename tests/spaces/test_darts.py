"""DARTS: published genotypes, their published sizes, decodes and strings."""

from __future__ import annotations

import itertools

import jax
import numpy as np
import pytest

from pnag_jax import spaces
from pnag_jax.spaces.darts import KINDS
from pnag_jax.spaces.darts_costs import OPS

SPACE = spaces.get("darts")

# From the authors' code (second order), and from that of P-DARTS.
DARTS_V2 = (
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), "
    "('sep_conv_3x3', 1), ('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), "
    "('dil_conv_3x3', 2)], normal_concat=[2, 3, 4, 5], reduce=[('max_pool_3x3', 0), "
    "('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), ('max_pool_3x3', 0), "
    "('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], "
    "reduce_concat=[2, 3, 4, 5])"
)
P_DARTS = (
    "Genotype(normal=[('skip_connect', 0), ('dil_conv_3x3', 1), ('skip_connect', 0), "
    "('sep_conv_3x3', 1), ('sep_conv_3x3', 1), ('sep_conv_3x3', 3), ('sep_conv_3x3', 0), "
    "('dil_conv_5x5', 4)], normal_concat=range(2, 6), reduce=[('avg_pool_3x3', 0), "
    "('sep_conv_5x5', 1), ('sep_conv_3x3', 0), ('dil_conv_5x5', 2), ('max_pool_3x3', 0), "
    "('dil_conv_3x3', 1), ('dil_conv_3x3', 1), ('dil_conv_5x5', 3)], "
    "reduce_concat=range(2, 6))"
)


def genes(text: str) -> np.ndarray:
    return SPACE.from_string(text)


@pytest.mark.parametrize(("text", "params"), [(DARTS_V2, 3_349_342), (P_DARTS, 3_433_798)])
def test_params_are_those_that_the_authors_code_counts(text, params):
    assert SPACE.params(genes(text)) == params


@pytest.mark.parametrize(("text", "millions"), [(DARTS_V2, 528), (P_DARTS, 532)])
def test_multiply_accumulates_are_the_published_ones(text, millions):
    assert round(float(SPACE.flops(genes(text))) / 1e6) == millions


def test_costs_of_a_small_skeleton_by_hand():
    """Pools alone, 3 cells of 4 channels: a normal one and two that reduce, to 8 and to 16."""
    pools = genes(DARTS_V2)
    pools[1::2] = OPS.index("max_pool_3x3")
    stem = 27 * 12
    # (in, in) -> channels of the cell, at what side the inputs are read
    cells = [((12, 12), 4, 32), ((12, 16), 8, 32), ((16, 32), 16, 16)]
    params = stem + 2 * 12 + (64 + 1) * 10
    flops = stem * 32**2 + 64 * 10
    for before, channels, side in cells:
        params += sum((width + 2) * channels for width in before)
        flops += sum(before) * channels * side**2
    assert SPACE.params(pools, channels=4, cells=3) == params
    assert SPACE.flops(pools, channels=4, cells=3) == flops
    # A separable convolution in the normal cell, twice 9 c + c^2 + 2 c.
    pools[1] = OPS.index("sep_conv_3x3")
    assert SPACE.params(pools, channels=4, cells=3) == params + 2 * (36 + 16 + 8)
    assert SPACE.flops(pools, channels=4, cells=3) == flops + 2 * (36 + 16) * 32**2


@pytest.mark.parametrize(
    ("fields", "message"), [({"cells": 0}, "cells = 0"), ({"channels": 5}, "channels = 5")]
)
def test_a_skeleton_that_cannot_be_is_refused(fields, message):
    with pytest.raises(spaces.SpaceError, match=f"^darts: {message}"):
        SPACE.params(genes(DARTS_V2), **fields)


def test_strings_go_both_ways():
    assert SPACE.to_string(genes(DARTS_V2)) == DARTS_V2
    assert SPACE.to_string(genes(P_DARTS)) == P_DARTS.replace("range(2, 6)", "[2, 3, 4, 5]")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("sep_conv_3x3', 0)", "sep_conv_7x7', 0)", r"normal\[0\] = .* operations are max_pool_3x3"),
        ("dil_conv_3x3', 2)", "dil_conv_3x3', 5)", r"normal\[7\] = .* sources are 0 \.\. 4"),
        ("('sep_conv_3x3', 1), ", "", "accepted are lists of 8 pairs"),
        ("('sep_conv_3x3', 0)", "3", r"normal\[0\] = 3; accepted are pairs"),
        ("normal_concat=[2, 3, 4, 5]", "normal_concat=[3, 4, 5]", "normal_concat = "),
        ("normal_concat=[2, 3, 4, 5], ", "", "just the arguments normal, normal_concat"),
        ("normal_concat=[2, 3, 4, 5]", "normal_concat=print(1)", "not of the form"),
        ("normal_concat=[2, 3, 4, 5]", "normal_concat=range(2, 9**9)", "not of the form"),
        ("Genotype(", "Phenotype(", "not of the form"),
    ],
)
def test_a_wrong_string_is_refused_by_what_is_wrong(old, new, message):
    with pytest.raises(spaces.SpaceError, match=f"^darts: .*{message}"):
        SPACE.from_string(DARTS_V2.replace(old, new))


def test_a_doubled_source_is_invalid():
    twice = genes(DARTS_V2)
    twice[2] = twice[0]
    assert SPACE.is_valid(genes(DARTS_V2)) and not SPACE.is_valid(twice)


def test_the_graph_links_nodes_and_cells():
    graph = SPACE.to_graph(genes(DARTS_V2))
    names = [SPACE.op_names[i] for i in graph.ops.argmax(-1)]
    # The last node of the normal cell: a skip of input 0, a dilated convolution of node 2.
    assert names[5] == "skip_connect+dil_conv_3x3" in KINDS
    assert [int(i) for i in np.flatnonzero(graph.adjacency[:, 5])] == [0, 2]
    assert names[6] == names[7] == names[0] == names[1] == "input" and names[12] == "output"
    assert np.flatnonzero(graph.adjacency[:, 7]).tolist() == [2, 3, 4, 5]
    assert np.flatnonzero(graph.adjacency[:, 12]).tolist() == [8, 9, 10, 11]


def test_sources_are_the_two_likeliest_and_free_ones_must_be_two():
    graph = SPACE.to_graph(SPACE.sample(jax.random.key(0), 1)[0])
    ops, links = 4.0 * graph.ops, np.full((13, 13), -1.0, np.float32)
    links[0, 5], links[3, 5], links[1, 5] = 0.5, 2.0, 1.0  # three positive ones
    last = slice(12, 16)  # the genes of normal node 5
    assert SPACE.from_graph(ops, links)[last][0::2].tolist() == [1, 3]
    free = SPACE.free_decode(ops, links)
    assert free[last][0::2].tolist() == [3, 3] and not SPACE.is_valid(free)


def test_the_drawing_has_an_operation_between_every_two_tensors():
    labels = SPACE.labels(genes(DARTS_V2))
    assert sum(name in OPS for name in labels.nodes) == 16
    conv = labels.nodes.index("dil_conv_3x3")
    ends = [[labels.nodes[i] for i in pair] for *pair, _ in labels.edges if conv in pair]
    assert ends == [["2", "dil_conv_3x3"], ["dil_conv_3x3", "5"]]
    # Input, 1, reduction's 0 and 1, eight nodes, output.
    assert len(labels.nodes) == 16 + 13


def test_a_coarse_version_passes_on_what_it_leaves_out():
    cell = genes(DARTS_V2)
    coarse = np.asarray(SPACE.sub_architecture(cell, 3)).reshape(8, 4)
    blank = [0, OPS.index("skip_connect"), 1, OPS.index("skip_connect")]
    kept = [i for i in range(8) if coarse[i].tolist() != blank]
    assert kept == [4] and (coarse[4] == cell.reshape(8, 4)[4]).all()


def test_isomorphic_cells_share_a_form_and_others_do_not():
    cell = genes(DARTS_V2)
    swapped = cell.reshape(16, 2)[[1, 0, *range(2, 16)]].reshape(-1)  # the inputs of node 2
    # The first two nodes read the inputs alone: they may change places, with node 2 as 3.
    nodes = cell.reshape(8, 4)[[1, 0, *range(2, 8)]].copy()
    for node in nodes[2:4]:
        node[0::2] = np.array([0, 1, 3, 2, 4])[node[0::2]]
    form = SPACE.canonical(cell)
    for other in (swapped, nodes.reshape(-1)):
        assert (other != cell).any() and (SPACE.canonical(other) == form).all()
    changed = cell.copy()
    changed[1] = OPS.index("dil_conv_5x5")
    assert (SPACE.canonical(changed) != form).any()


def classes_by_brute_force(genotypes: np.ndarray) -> int:
    """Cells told apart by trying all orders of nodes on their sets of links."""
    seen, count = set(), 0
    for row in genotypes.reshape(-1, 4, 2, 2).tolist():
        forms = []
        for order in itertools.permutations(range(4)):
            place = [0, 1, *(2 + i for i in order)]
            moved = {(place[2 + node], place[s], op) for node, x in enumerate(row) for s, op in x}
            forms.append(tuple(sorted(moved)))
        count += min(forms) not in seen
        seen.add(min(forms))
    return count


def test_as_many_forms_as_classes():
    """Cells of two operations: few enough for isomorphic ones to be common."""
    sample = np.array(SPACE.sample(jax.random.key(1), 3000))
    sample[:, 1::2] %= 2
    sample[:, 16:] = genes(DARTS_V2)[16:]  # the normal cell alone varies
    forms = np.unique(np.asarray(jax.jit(SPACE.canonical)(sample)), axis=0)
    assert len(forms) == classes_by_brute_force(sample[:, :16]) < len(np.unique(sample, axis=0))
