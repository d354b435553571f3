"""NAS-Bench-101: strings, drawings, graphs and costs of cells known by hand."""

from __future__ import annotations

import numpy as np
import pytest

from pnag_jax import spaces
from pnag_jax.spaces.nb101_cells import EDGES

SPACE = spaces.get("nb101")

# The cell that the benchmark's authors show: Inception's, with two 3x3 for a 5x5.
INCEPTION = (
    "[[0, 1, 1, 1, 0, 1, 0], [0, 0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 0, 0, 1], "
    "[0, 0, 0, 0, 1, 0, 0], [0, 0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 0, 0, 1], "
    "[0, 0, 0, 0, 0, 0, 0]], ['input', 'conv1x1-bn-relu', 'conv3x3-bn-relu', "
    "'conv3x3-bn-relu', 'conv3x3-bn-relu', 'maxpool3x3', 'output']"
)
CHAIN = "[[0, 1, 0], [0, 0, 1], [0, 0, 0]], ['input', 'maxpool3x3', 'output']"
DIRECT = "[[0, 1], [0, 0]], ['input', 'output']"


def genotype(edges: str, ops: str = "00000") -> np.ndarray:
    """E.g. ``"01 16"`` for the path 0, 1, 6."""
    there = {(int(a), int(b)) for a, b in edges.split()}
    return np.array([*((edge in there) for edge in EDGES), *map(int, ops)], np.int32)


def test_strings_of_the_field():
    assert SPACE.to_string(genotype("01 16", "20000")) == CHAIN
    assert SPACE.to_string(genotype("06")) == DIRECT
    for text in (INCEPTION, CHAIN, DIRECT):
        assert SPACE.to_string(SPACE.from_string(text)) == text
        assert SPACE.is_valid(SPACE.from_string(text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[0, 1], [0, 0]]", "not of the form"),
        ("[[0, 1], [0, 0]], ['output', 'input']", "from input to output"),
        ("[[0]], ['input']", "2 to 7"),
        (CHAIN.replace("maxpool3x3", "maxpool5x5"), "operation 'maxpool5x5'; accepted are conv1x1"),
        ("[[0, 1, 0], [0, 1]], ['input', 'output']", "not 2 x 2"),
        ("[[0, 1], [1, 0]], ['input', 'output']", "entry 1, 0 of the matrix = 1"),
        ("[[0, 2], [0, 0]], ['input', 'output']", "entry 0, 1 of the matrix = 2"),
        ("[[0, True], [0, 0]], ['input', 'output']", "entry 0, 1 of the matrix = True"),
        ("[[0, 1], [0, 0]], [['input'], 'output']", "from input to output"),
        (CHAIN.replace("'maxpool3x3'", "[]"), r"operation \[\]"),
    ],
)
def test_a_wrong_string_is_refused_by_what_is_wrong(text, message):
    with pytest.raises(spaces.SpaceError, match=f"^nb101: .*{message}"):
        SPACE.from_string(text)


@pytest.mark.parametrize(
    ("edges", "valid"),
    [
        ("06", True),
        ("01 12 23 34 45 56", True),
        ("01 12 23 34 45", False),  # nothing reaches the output
        ("16 26", False),  # nothing comes from the input
        ("01 02 03 04 05 16 26 36 46", True),  # nine, node 5 dangling
        ("01 02 03 04 05 16 26 36 46 56", False),  # ten
        ("01 12 13 14 15 23 24 25 34 35 45 06", True),  # all but one dangle
    ],
)
def test_validity_is_that_of_the_pruned_cell(edges, valid):
    assert bool(SPACE.is_valid(genotype(edges))) == valid


def test_dangling_nodes_are_none_in_the_graph_and_pale_in_the_drawing():
    cell = genotype("02 26 05 34", "12021")
    graph = SPACE.to_graph(cell)
    assert np.argwhere(graph.adjacency).tolist() == [[0, 2], [2, 6]]
    names = [SPACE.op_names[i] for i in graph.ops.argmax(-1)]
    assert names == ["input", "none", "maxpool3x3", "none", "none", "none", "output"]
    labels = SPACE.labels(cell)
    assert labels.nodes == ("input", "maxpool3x3", "conv1x1", "maxpool3x3", "conv3x3", "output")
    assert [edge[:2] for edge in labels.edges] == [(0, 1), (0, 4), (1, 5), (2, 3)]


def test_params_are_the_published_number():
    """The benchmark's own count for this cell."""
    assert SPACE.params(SPACE.from_string(INCEPTION)) == 2_694_282


def test_costs_of_the_smallest_cells_by_hand():
    # Stem, classifier; a projection of the input in each of nine cells.
    widths = [(128, 128)] * 3 + [(128, 256)] + [(256, 256)] * 2 + [(256, 512)] + [(512, 512)] * 2
    sides = [32] * 3 + [16] * 3 + [8] * 3
    stem, head = 27 * 128, 512 * 10
    params = stem + 2 * 128 + head + 10 + sum(a * b + 2 * b for a, b in widths)
    flops = stem * 32**2 + head + sum(a * b * s**2 for (a, b), s in zip(widths, sides, strict=True))
    for cell in (DIRECT, CHAIN):  # a pooling costs nothing
        genes = SPACE.from_string(cell)
        assert SPACE.params(genes) == params and SPACE.flops(genes) == flops
    assert SPACE.params(SPACE.from_string(DIRECT), 100) == params + 90 * 513


def test_left_over_channels_go_to_the_first_nodes():
    """Three branches of 128 channels: 43, 43, 42; so the order of operations counts."""
    edges = "01 02 03 16 26 36"
    first, last = (SPACE.params(genotype(edges, ops)) for ops in ("12200", "22100"))
    assert first > last
    same = [SPACE.canonical(genotype(edges, ops)) for ops in ("12200", "22100")]
    assert (same[0] == same[1]).all()


def test_a_coarse_cell_by_hand():
    """0 -> 1 -> 2 -> 3 -> 6 with a skip over all: one of the three nodes stays, the middle one."""
    cell = genotype("01 12 23 36 06", "12100")
    coarse = SPACE.sub_architecture(cell, 3)
    assert (coarse == genotype("01 16", "20000")).all()
    assert (SPACE.sub_architecture(cell, 5) == SPACE.canonical(cell)).all()
    # First and last: what the second read is gone, it reads the input now.
    assert (SPACE.sub_architecture(genotype("01 12 26 23 36", "12100"), 4)
            == SPACE.canonical(genotype("01 16 02 26", "11000"))).all()  # fmt: skip
