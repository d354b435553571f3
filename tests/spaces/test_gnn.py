"""NAS-Bench-Graph: decode of trees, repair, coarse versions, strings."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax import spaces
from pnag_jax.spaces.gnn import ADJACENCIES
from pnag_jax.spaces.gnn_forms import LINKS, OPS, SKIP

SPACE = spaces.get("gnn")


def genotype(link: int, names: str) -> np.ndarray:
    return np.array([link, *map(OPS.index, names.split())])


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_the_graph_is_the_tree_with_its_leaves_at_the_output():
    graph = SPACE.to_graph(genotype(LINKS.index((0, 0, 1, 2)), "gcn gat fc skip"))
    by_hand = {(0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 5)}
    assert {tuple(edge) for edge in np.argwhere(graph.adjacency).tolist()} == by_hand
    names = [SPACE.op_names[i] for i in graph.ops.argmax(-1)]
    assert names == ["input", "gcn", "gat", "fc", "skip", "output"]


def test_the_decoded_tree_is_the_likeliest():
    """By the log-likelihood of independent edges, over all nine."""
    op_logits, edge_logits = normal(0, 300, 6, 11), 2 * normal(1, 300, 6, 6)
    decoded = SPACE.free_decode(op_logits, edge_logits)
    upper = np.triu(np.ones((6, 6)), 1)
    signs = 2 * ADJACENCIES - 1
    log_probs = jax.nn.log_sigmoid(signs * edge_logits[:, None]) * upper
    link = np.asarray(log_probs.sum((-1, -2)).argmax(-1))
    assert set(link) == set(range(9))
    ops = op_logits[:, 1:-1, 1:-1].argmax(-1)
    expected = SPACE.canonical(np.concatenate([link[:, None], ops], axis=1))
    assert (decoded == expected).all()


def test_four_skips_are_repaired_at_the_smallest_loss():
    """Against all 9^4 - 1 ways to choose operations."""
    op_logits, edge_logits = normal(2, 20, 6, 11), normal(3, 20, 6, 6)
    op_logits[:, 1:-1, 1 + SKIP] += 8.0
    free = SPACE.free_decode(op_logits, edge_logits)
    assert (free[:, 1:] == SKIP).all() and not SPACE.is_valid(free).any()

    ways = np.array(list(itertools.product(range(len(OPS)), repeat=4)))[:-1]
    assert (ways != SKIP).any(1).all()
    scores = op_logits[:, 1:-1, 1:-1]
    totals = sum(scores[:, node, ways[:, node]] for node in range(4))
    likeliest = jnp.argmax(jnp.einsum("bij,tij->bt", np.triu(edge_logits, 1), ADJACENCIES), axis=-1)
    best = np.concatenate([likeliest[:, None], ways[totals.argmax(1)]], axis=1)
    decoded = SPACE.from_graph(op_logits, edge_logits)
    assert (decoded == SPACE.canonical(best)).all()
    assert SPACE.is_valid(decoded).all()


def test_all_skips_are_one_class_and_invalid():
    rows = np.array([[link, SKIP, SKIP, SKIP, SKIP] for link in range(9)])
    assert len(np.unique(SPACE.canonical(rows), axis=0)) == 1
    assert not SPACE.is_valid(rows).any()


def test_a_genotype_in_another_form_is_invalid_until_canonical():
    # A skip in the middle of a chain belongs to its front.
    moved = genotype(LINKS.index((0, 1, 2, 3)), "gcn skip gat fc")
    assert not SPACE.is_valid(moved) and SPACE.is_valid(SPACE.canonical(moved))


@pytest.mark.parametrize(
    ("text", "coarse"),
    [
        pytest.param(
            "[0, 1, 2, 3] ['gcn', 'gat', 'fc', 'gin']",
            [
                "[0, 1, 2, 3] ['skip', 'skip', 'skip', 'gcn']",
                "[0, 1, 2, 3] ['skip', 'skip', 'gcn', 'gat']",
                "[0, 1, 2, 3] ['skip', 'gcn', 'gat', 'fc']",
            ],
            id="chain",
        ),
        pytest.param(
            "[0, 0, 1, 2] ['gat', 'gcn', 'gin', 'fc']",
            [
                "[0, 1, 2, 3] ['skip', 'skip', 'skip', 'gat']",
                "[0, 1, 2, 2] ['skip', 'skip', 'gat', 'gcn']",
                "[0, 1, 1, 2] ['skip', 'gat', 'gcn', 'gin']",
            ],
            id="two branches",
        ),
        pytest.param(
            "[0, 1, 1, 1] ['gcn', 'gin', 'fc', 'skip']",
            [
                "[0, 1, 2, 3] ['skip', 'skip', 'skip', 'gcn']",
                "[0, 1, 2, 3] ['skip', 'skip', 'gcn', 'gin']",
                "[0, 1, 2, 2] ['skip', 'gcn', 'gin', 'fc']",
            ],
            id="a residual skip goes first",
        ),
        pytest.param(
            "[0, 1, 2, 3] ['skip', 'skip', 'gcn', 'fc']",
            [
                "[0, 1, 2, 3] ['skip', 'skip', 'skip', 'gcn']",
                "[0, 1, 2, 3] ['skip', 'skip', 'gcn', 'fc']",
                "[0, 1, 2, 3] ['skip', 'skip', 'gcn', 'fc']",
            ],
            id="skips in front are no operations",
        ),
        pytest.param(
            "[0, 1, 2, 2] ['skip', 'gcn', 'gat', 'skip']",
            [
                "[0, 1, 2, 3] ['skip', 'skip', 'skip', 'gcn']",
                "[0, 1, 2, 3] ['skip', 'skip', 'gcn', 'gat']",
                "[0, 1, 2, 2] ['skip', 'gcn', 'gat', 'skip']",
            ],
            id="a residual skip is one",
        ),
    ],
)
def test_sub_architectures_by_hand(text, coarse):
    whole = SPACE.from_string(text)
    assert SPACE.is_valid(whole)
    assert [SPACE.to_string(SPACE.sub_architecture(whole, n)) for n in (3, 4, 5)] == coarse
    assert SPACE.to_string(SPACE.sub_architecture(whole, 6)) == text


def test_neighbours_come_in_canonical_form():
    rows = jax.jit(SPACE.neighbours)(SPACE.sample(jax.random.key(5), 50))
    assert (rows == jax.jit(SPACE.canonical)(rows)).all()


def test_strings_may_be_written_with_other_spaces_and_quotes():
    expected = genotype(LINKS.index((0, 0, 1, 2)), "gcn gin fc cheb")
    for text in (
        "[0, 0, 1, 2] ['gcn', 'gin', 'fc', 'cheb']",
        '[0,0,1,2]["gcn","gin","fc","cheb"]',
    ):
        assert (SPACE.from_string(text) == expected).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gcn", "is not of the form"),
        ("[0, 0, 1, 2]", "is not of the form"),
        ("__import__('os')", "is not of the form"),
        ("[0, 0, 2, 2] ['gcn', 'gin', 'fc', 'cheb']", r"fathers \[0, 0, 2, 2\] .* accepted are "),
        ("[0, 0, 1, 2] ['gcn', 'gin', 'fc', 'mlp']", "accepted are 4 of gat, gcn"),
        ("[0, 0, 1, 2] ['gcn', 'gin', 'fc']", "accepted are 4 of gat, gcn"),
    ],
)
def test_strings_that_are_not_networks(text, message):
    with pytest.raises(spaces.SpaceError, match=f"^gnn: .*{message}"):
        SPACE.from_string(text)


def test_a_drawing_shows_the_tree():
    labels = SPACE.labels(genotype(LINKS.index((0, 1, 1, 1)), "gcn gat gin skip"))
    assert labels.nodes == ("input", "gcn", "gat", "gin", "skip", "output")
    assert [edge[:2] for edge in labels.edges] == [
        (0, 1),
        (1, 2),
        (1, 3),
        (1, 4),
        (2, 5),
        (3, 5),
        (4, 5),
    ]
