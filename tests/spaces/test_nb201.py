"""NAS-Bench-201: functional cells, isomorphism, exact costs and decode."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from pnag_jax import spaces
from pnag_jax.spaces.nb201 import EDGES, NONE, PATHS, SKIP

SPACE = spaces.get("nb201")
ALL = np.indices(SPACE.choices, np.int32).reshape(6, -1).T

# Short names for cells written by hand.
N, S, A, B, P = range(5)  # none, skip, conv1x1, conv3x3, pool


def classes_of(labels: np.ndarray) -> np.ndarray:
    return np.unique(labels, return_inverse=True)[1].ravel()


def canonical_classes() -> np.ndarray:
    form = np.asarray(jax.jit(SPACE.canonical)(ALL))
    return classes_of(np.ravel_multi_index(form.T, SPACE.choices))


def published_string(genotype: np.ndarray) -> str:
    """The benchmark's own form, from the description of its unique strings.

    A tensor is its terms, sorted and joined.  None, and any operation on a
    tensor that is nothing, is the term '#'; a skip is its source's string.
    """
    tensors = ["x", "", "", ""]
    for target in (1, 2, 3):
        terms = []
        for (source, to), op in zip(EDGES, genotype, strict=True):
            if to != target:
                continue
            if op == NONE or tensors[source] == "#":
                terms.append("#")
            elif op == SKIP:
                terms.append(tensors[source])
            else:
                terms.append(f"({tensors[source]})@{op}")
        tensors[target] = "+".join(sorted(terms))
    return tensors[3]


def test_15284_cells_are_functional():
    valid = np.asarray(jax.jit(SPACE.is_valid)(ALL))
    assert valid.sum() == 15_284

    def reaches_output(genotype):
        reached = {0}
        for (source, target), op in zip(EDGES, genotype, strict=True):
            if source in reached and op != NONE:
                reached.add(target)
        return 3 in reached

    assert [reaches_output(genotype) for genotype in ALL] == valid.tolist()


# Edges in order 0->1, 0->2, 1->2, 0->3, 1->3, 2->3.
@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param([A, N, N, N, B, N], [N, A, N, N, N, B], id="tensors 1 and 2 change names"),
        pytest.param([B, N, N, A, N, N], [N, N, N, A, N, N], id="a dead end"),
        pytest.param([N, N, B, A, P, N], [N, N, N, A, N, N], id="operations on nothing"),
        pytest.param([S, N, N, N, B, N], [N, N, N, B, N, N], id="a skip before"),
        pytest.param([B, N, N, N, S, N], [N, N, N, B, N, N], id="a skip behind"),
        pytest.param([A, N, S, N, N, B], [A, N, N, N, B, N], id="a skip between"),
        pytest.param([A, B, N, N, S, S], [B, A, N, N, S, S], id="terms of a sum in other order"),
        pytest.param([A, B, S, N, N, P], [B, A, S, N, N, P], id="terms under an operation"),
    ],
)
def test_isomorphic_by_hand(one, other):
    assert (SPACE.canonical(np.array(one)) == SPACE.canonical(np.array(other))).all()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param([A, N, N, N, B, N], [B, N, N, N, A, N], id="operations in other order"),
        pytest.param([N, N, N, A, N, N], [N, N, N, B, N, N], id="another operation"),
        pytest.param([S, N, N, A, A, N], [N, N, N, A, N, N], id="a term twice"),
        pytest.param([A, N, N, S, S, N], [A, N, N, N, S, N], id="a residual connection"),
        pytest.param([N, N, N, N, N, N], [N, N, N, S, N, N], id="nothing and the identity"),
    ],
)
def test_not_isomorphic_by_hand(one, other):
    assert (SPACE.canonical(np.array(one)) != SPACE.canonical(np.array(other))).any()


def test_the_form_joins_classes_of_the_benchmark_and_splits_none():
    """4,930 classes against 6,466: why, and that nothing else differs.

    The benchmark's strings keep '#' as a term of a sum, and put the string
    that a skip brings in as one term, unsorted into the others.  Read the
    strings as sums, and they give our classes.
    """
    ours = canonical_classes()
    strings = np.array([published_string(genotype) for genotype in ALL])
    theirs = classes_of(strings)
    assert ours.max() + 1 == 4_930 and theirs.max() + 1 == 6_466

    pairs = np.unique(np.stack([theirs, ours]), axis=1)
    assert pairs.shape[1] == 6_466, "a class of the benchmark lies within one of ours"

    sums = classes_of(np.array([as_sum(string) for string in strings]))
    assert sums.max() + 1 == 4_930
    assert np.unique(np.stack([sums, ours]), axis=1).shape[1] == 4_930


def as_sum(string: str) -> str:
    """Drops '#' terms, at any depth, and sorts all terms, at any depth."""
    terms: list[str] = []
    depth, term = 0, ""
    for letter in string:
        depth += (letter == "(") - (letter == ")")
        if letter == "+" and depth == 0:
            terms, term = [*terms, term], ""
        else:
            term += letter
    result = []
    for part in (*terms, term):
        if part.startswith("("):
            end = part.rindex(")")
            inner = as_sum(part[1:end])
            result.append(f"({inner}){part[end + 1 :]}" if inner else "#")
        else:
            result.append(part)
    return "+".join(sorted(part for part in result if part != "#"))


@pytest.mark.parametrize(("dataset", "num_classes"), [("cifar10", 10), ("cifar100", 100)])
def test_costs_equal_the_tables_columns_in_every_row(benchmark_dir, dataset, num_classes):
    table = np.load(benchmark_dir / "nb201.npz")
    genotypes = table["arch"]
    assert len(genotypes) == 15_625
    np.testing.assert_array_equal(SPACE.params(genotypes, num_classes), table[f"{dataset}/params"])
    np.testing.assert_array_equal(SPACE.flops(genotypes, num_classes), table[f"{dataset}/flops"])


def test_costs_by_hand():
    """No convolution, and the published 1.53 M / 220 M of the all-3x3 cell."""
    assert SPACE.params(np.full(6, SKIP)) == 73_306
    assert SPACE.params(np.full(6, B)) == 1_531_546
    assert SPACE.flops(np.full(6, B)) == 220_119_690


def total(scores: np.ndarray, genotypes: np.ndarray) -> np.ndarray:
    return np.sum([scores[:, gene, genotypes[:, gene]] for gene in range(6)], axis=0)


@pytest.mark.parametrize("none_bonus", [0.0, 2.0, 5.0])
def test_the_decode_is_the_best_functional_cell(none_bonus):
    """Against all 15,284, with logits that push towards none."""
    valid = ALL[np.asarray(SPACE.is_valid(ALL))]
    op_logits = np.random.default_rng(0).normal(size=(200, 8, 7)).astype(np.float32)
    op_logits[:, 1:-1, 1] += none_bonus
    decoded = np.asarray(jax.jit(SPACE.from_graph)(op_logits, np.zeros((200, 8, 8))))
    scores = op_logits[:, 1:-1, 1:-1]
    best = total(scores, valid).max(1)
    found = np.array([total(s[None], g[None])[0, 0] for s, g in zip(scores, decoded, strict=True)])
    np.testing.assert_allclose(found, best, rtol=1e-5, atol=1e-5)


def test_the_free_decode_may_fail():
    op_logits = np.zeros((8, 7))
    op_logits[1:-1, 1] = 1.0
    free = SPACE.free_decode(op_logits, np.zeros((8, 8)))
    assert (free == NONE).all() and not SPACE.is_valid(free)
    # Opening 0->3 is one change, any other path takes more.
    assert SPACE.from_graph(op_logits, np.zeros((8, 8))).tolist() == [N, N, N, S, N, N]


def test_sub_architectures_by_hand():
    """Only 0->1->2->3 is open: contracted, then whole."""
    genotype = np.array([A, N, B, N, N, P])
    coarse = [SPACE.sub_architecture(genotype, n).tolist() for n in range(3, 9)]
    assert coarse == [
        [N, N, N, A, N, N],  # 0->3
        [A, N, N, N, B, N],  # 0->1->3
        [A, N, B, N, N, P],
        [A, N, B, N, N, P],
        [A, N, B, N, N, P],
        [A, N, B, N, N, P],
    ]


def test_the_graph_links_edges_through_their_tensors():
    graph = SPACE.to_graph(np.array([S, A, B, P, N, S]))
    by_hand = {0: (1, 2, 4), 1: (3, 5), 2: (6,), 3: (6,), 4: (7,), 5: (7,), 6: (7,)}
    expected = np.zeros((8, 8))
    for source, targets in by_hand.items():
        expected[source, list(targets)] = 1
    assert (graph.adjacency == expected).all()
    names = [SPACE.op_names[i] for i in graph.ops.argmax(-1)]
    assert names == [
        "input",
        "skip_connect",
        "nor_conv_1x1",
        "nor_conv_3x3",
        "avg_pool_3x3",
        "none",
        "skip_connect",
        "output",
    ]
    assert all(graph.adjacency[0, p[0] + 1] and graph.adjacency[p[-1] + 1, 7] for p in PATHS)


@pytest.mark.parametrize(
    "text",
    [
        "|conv5~0|+|none~0|none~1|+|none~0|none~1|none~2|",  # no such operation
        "|none~0|+|none~0|none~2|+|none~0|none~1|none~2|",  # no such edge
        "|none~0|+|none~0|none~0|+|none~0|none~1|none~2|",  # an edge twice
        "|none~0|+|none~1|none~0|+|none~0|none~1|none~2|",  # another order
        "|none~0|+|none~0|none~1|",  # a tensor missing
        "none~0+none~0|none~1+none~0|none~1|none~2",  # no bars
        "|none~99999999999999999999|+|none~0|none~1|+|none~0|none~1|none~2|",
    ],
)
def test_strings_that_are_not_cells(text):
    with pytest.raises(spaces.SpaceError, match=r"^nb201: "):
        SPACE.from_string(text)


def test_a_drawing_leaves_none_out():
    labels = SPACE.labels(np.array([S, N, N, N, B, N]))
    assert labels.nodes == ("input", "1", "2", "output")
    assert labels.edges == ((0, 1, "skip_connect"), (1, 3, "nor_conv_3x3"))
