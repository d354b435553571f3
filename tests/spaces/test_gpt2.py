"""LiteTransformerSearch: depth, inner widths between two steps, the tables' way of writing."""

from __future__ import annotations

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax import spaces
from pnag_jax.spaces import gpt2_costs, gpt2_genes

SPACE = spaces.get("gpt2")
# Three layers; the second inner width lies 47 above a step, the last is the largest.
CONFIG = {
    "n_layer": 3,
    "d_model": 512,
    "d_embed": 256,
    "div_val": 4,
    "n_head": [8, 2, 4],
    "d_inner": [512, 1071, 2048],
}
GENOTYPE = SPACE.from_string(json.dumps(CONFIG))


def layers_of(genotype) -> list[list[int]]:
    """Heads, steps and both digits of every layer: 16 lists of 4."""
    return np.asarray(genotype)[4:].reshape(4, 16).T.tolist()


def test_a_genotype_in_words():
    assert GENOTYPE[:4].tolist() == [1, 3, 1, 2]
    # 1071 = 512 + 2 steps of 256 + 2 * 16 + 15.
    layers = [[3, 1, 0, 0], [1, 3, 2, 15], [2, 7, 0, 0], *[[0] * 4] * 13]
    assert layers_of(GENOTYPE) == layers
    assert SPACE.fields[4] == "n_head0" and SPACE.fields[-1] == "d_inner_ones15"
    assert json.loads(SPACE.to_string(GENOTYPE)) == CONFIG


def changed(*changes: tuple[str, int]) -> np.ndarray:
    genotype = GENOTYPE.copy()
    for field, value in changes:
        genotype[SPACE.fields.index(field)] = value
    return genotype


@pytest.mark.parametrize(
    ("changes", "valid"),
    [
        ((), True),
        ((("d_inner_sixteens0", 15),), True),
        ((("n_head2", 0),), False),
        ((("d_inner0", 0),), False),
        ((("d_inner_ones2", 1),), False),  # 2049
        ((("n_head3", 1),), False),
        ((("d_inner_ones3", 1),), False),
        ((("n_layer", 2),), False),
        ((("n_layer", 2), ("n_head3", 1), ("d_inner3", 1)), True),
    ],
)
def test_layers_stand_up_to_the_depth_and_not_beyond(changes, valid):
    assert bool(SPACE.is_valid(changed(*changes))) == valid
    if not valid:
        for function in (SPACE.to_string, SPACE.labels, SPACE.check):
            with pytest.raises(spaces.SpaceError, match="is no architecture; accepted are as many"):
                function(changed(*changes))


def test_the_canonical_form_has_zeros_beyond_the_depth():
    filled = changed(("n_head3", 2), ("d_inner15", 7), ("d_inner_ones15", 1))
    assert (SPACE.canonical(filled) == GENOTYPE).all()


def test_what_a_layer_lacks_is_the_least_there_is():
    lacking = SPACE.canonical(changed(("n_head0", 0), ("d_inner2", 0), ("d_inner_ones2", 3)))
    assert layers_of(lacking)[:3] == [[1, 1, 0, 0], [1, 3, 2, 15], [2, 1, 0, 3]]
    beyond = SPACE.canonical(changed(("d_inner_ones2", 3)))
    assert (beyond == GENOTYPE).all()


def test_draws_have_every_depth_alike_and_whole_steps():
    drawn = np.asarray(SPACE.sample(jax.random.key(0), 15_000))
    assert abs(np.bincount(drawn[:, 0], minlength=15) - 1000).max() < 5 * 1000**0.5
    assert (drawn[:, -32:] == 0).all()
    # Of the layers there are, every number of heads and every step.
    first = drawn[:, [4, 4 + 16]]
    for genes, count in zip(first.T, (3, 7), strict=True):
        found = np.bincount(genes, minlength=count + 1)
        assert found[0] == 0 and abs(found[1:] * count / 15_000 - 1).max() < 0.25


def test_the_graph_of_a_width_is_that_of_the_step_below():
    graph = SPACE.to_graph(GENOTYPE)
    names = [SPACE.op_names[i] for i in np.asarray(graph.ops).argmax(-1)]
    assert names == [
        *("input", "d512", "e256_v4", "h8_i512", "h2_i1024", "h4_i2048"),
        *["identity"] * 13,
        "output",
    ]
    decoded = SPACE.from_graph(graph.ops, graph.adjacency)
    assert (decoded == changed(("d_inner_sixteens1", 0), ("d_inner_ones1", 0))).all()
    assert SPACE.labels(GENOTYPE).nodes == (
        *("input", "d512", "e256_v4", "h8_i512", "h2_i1071", "h4_i2048", "output"),
    )


def scores(*names: str) -> np.ndarray:
    """One-hot op scores of 16 named layers, those not named absent."""
    kinds = ["input", "d64", "e128_v1", *names, *["identity"] * (16 - len(names)), "output"]
    return np.eye(SPACE.num_ops, dtype=np.float32)[[SPACE.op_names.index(n) for n in kinds]]


EDGES = np.zeros((20, 20), np.float32)


def test_a_gap_is_invalid_and_is_closed_by_the_constraint():
    broken = scores("h2_i512", "h8_i512", "identity", "h4_i768")
    broken[5, SPACE.op_names.index("h8_i2048")] = 0.5
    assert not SPACE.is_valid(SPACE.free_decode(broken, EDGES))
    # A layer in the gap loses 0.5, and the one behind it gains 1.
    fixed = json.loads(SPACE.to_string(SPACE.from_graph(broken, EDGES)))
    assert fixed["n_head"] == [2, 8, 8, 4] and fixed["d_inner"] == [512, 512, 2048, 768]
    # Now it loses 2.5: without both there is more.
    broken[5, SPACE.op_names.index("identity")] = 3.0
    assert json.loads(SPACE.to_string(SPACE.from_graph(broken, EDGES)))["n_head"] == [2, 8]


def test_fewer_than_two_layers_are_invalid():
    for names in ((), ("h2_i512",)):
        assert not SPACE.is_valid(SPACE.free_decode(scores(*names), EDGES))
        assert json.loads(SPACE.to_string(SPACE.from_graph(scores(*names), EDGES)))["n_layer"] == 2


def test_a_neighbour_has_one_gene_changed_and_its_layers_in_order():
    rows = np.asarray(SPACE.neighbours(GENOTYPE))
    valid = rows[np.asarray(SPACE.is_valid(rows))]
    by_depth = {json.loads(SPACE.to_string(row))["n_layer"]: row for row in valid[:14]}
    # Deeper ones repeat the last layer, shallower ones lose it.
    assert set(by_depth) == {2, *range(4, 17)}
    assert layers_of(by_depth[5])[:6] == [*layers_of(GENOTYPE)[:3], *[[2, 7, 0, 0]] * 2, [0] * 4]
    assert layers_of(by_depth[2])[:3] == [*layers_of(GENOTYPE)[:2], [0] * 4]
    for row in valid[14:]:
        assert (row != GENOTYPE).sum() <= 1
    # Nothing changes what is left over of a step, and 2048 is the last one.
    assert (valid[:, [-31, -15]] == [2, 15]).all() and (valid[:, 4 + 16 + 1] < 7).all()


def test_coarse_versions_keep_the_ends_then_layers_of_the_whole_depth():
    deep = {**CONFIG, "n_layer": 9, "n_head": [8] * 9, "d_inner": [*range(600, 1500, 100)]}
    genotype = SPACE.from_string(json.dumps(deep))
    coarse = [json.loads(SPACE.to_string(SPACE.sub_architecture(genotype, n))) for n in range(3, 9)]
    assert [(c["d_model"], c["d_embed"], c["div_val"]) for c in coarse[:3]] == [
        *((512, 128, 1), (512, 256, 4), (512, 256, 4)),
    ]
    assert [c["d_inner"] for c in coarse[:5]] == [
        *([512, 512], [512, 512], [1000, 512], [800, 1200], [700, 1000, 1300]),
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_layer": 17}, "n_layer = 17; accepted are 2, 3, "),
        ({"n_head": [8, 2]}, r"n_head = \[8, 2\]; accepted are lists of 3"),
        ({"n_head": [8, 0, 2]}, "n_head of layer 1 = 0; accepted are 2, 4, 8"),
        ({"d_inner": [512, 511, 512]}, r"d_inner of layer 1 = 511; accepted are 512 \.\. 2048"),
        ({"d_embed": -1}, "d_embed = -1; accepted are 128, 256, 512"),
        ({"dropout": 0.1}, "is not an object of n_layer, d_model, d_embed, div_val, n_head"),
    ],
)
def test_configs_that_are_none(change, message):
    with pytest.raises(spaces.SpaceError, match=f"^gpt2: .*{message}"):
        SPACE.from_string(json.dumps(CONFIG | change))


def test_every_number_of_heads_divides_every_width():
    assert all(width % heads == 0 for width in gpt2_costs.WIDTHS for heads in gpt2_genes.HEADS[1:])


def test_costs_ignore_what_stands_beyond_the_depth():
    filled = changed(("n_head3", 2), ("d_inner3", 7), ("d_inner_ones3", 1))
    assert SPACE.params(filled) == SPACE.params(GENOTYPE)
    assert SPACE.flops(filled) == SPACE.flops(GENOTYPE)
    assert SPACE.params(jnp.asarray(GENOTYPE, jnp.int16)) == SPACE.params(GENOTYPE)


def test_an_unknown_data_set_is_refused():
    with pytest.raises(spaces.SpaceError, match="data set 'c4' is unknown; accepted are wt103, lm"):
        SPACE.params(GENOTYPE, dataset="c4")


def test_the_nearest_of_a_table_is_not_decided_by_what_is_left_over():
    """A model in whole steps: the same one beside its steps, not one of two layers."""
    held = np.stack(
        [
            SPACE.from_string(json.dumps(CONFIG | {"d_inner": [600, 1071, 1901]})),
            SPACE.from_string(
                json.dumps(CONFIG | {"n_layer": 2, "n_head": [2, 2], "d_inner": [512, 512]})
            ),
        ]
    )
    part = spaces.restrict(SPACE, held)
    whole_steps = SPACE.from_string(json.dumps(CONFIG | {"d_inner": [512, 1024, 1792]}))
    assert (part.nearest(whole_steps) == held[0]).all()
    assert part.is_valid(held).all() and not part.is_valid(whole_steps)
