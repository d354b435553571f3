"""AutoFormer: three sizes in one space, the paper's way of writing."""

from __future__ import annotations

import json

import jax
import numpy as np
import pytest

from pnag_jax import spaces
from pnag_jax.spaces import autoformer_costs as costs

SPACE = spaces.get("autoformer")
# The smallest of the tiny ones but for its third layer.
TINY = {
    "hidden_dim": 192,
    "mlp_ratio": [3.5, 3.5, 4.0, *[3.5] * 9],
    "depth": 12,
    "num_heads": [3, 3, 4, *[3] * 9],
}
BASE = {"hidden_dim": 576, "mlp_ratio": [3.0] * 15, "depth": 15, "num_heads": [10] * 15}
GENOTYPE = SPACE.from_string(json.dumps(TINY))
EDGES = np.zeros((19, 19), np.float32)


def layers_of(genotype) -> list[list[int]]:
    """Heads and ratio of every layer, as genes: 16 lists of 2."""
    return np.asarray(genotype)[3:].reshape(2, 16).T.tolist()


def test_a_genotype_in_words():
    assert GENOTYPE[:3].tolist() == [0, 0, 0]
    assert layers_of(GENOTYPE) == [[1, 1]] * 2 + [[2, 2]] + [[1, 1]] * 9 + [[0, 0]] * 4
    base = SPACE.from_string(json.dumps(BASE))
    assert base[:3].tolist() == [2, 1, 1] and layers_of(base)[14:] == [[3, 1], [0, 0]]
    for config, genotype in ((TINY, GENOTYPE), (BASE, base)):
        assert json.loads(SPACE.to_string(genotype)) == config


def test_as_many_networks_as_the_paper_has():
    def of(kinds, depths):
        return 3 * sum(kinds**depth for depth in depths)

    assert SPACE.size == of(4, (12, 13, 14)) + of(9, (12, 13, 14)) + of(9, (14, 15, 16))


def changed(*changes: tuple[str, int]) -> np.ndarray:
    genotype = GENOTYPE.copy()
    for field, value in changes:
        genotype[SPACE.fields.index(field)] = value
    return genotype


@pytest.mark.parametrize(
    ("changes", "valid"),
    [
        ((), True),
        ((("num_heads0", 3),), False),  # the tiny ones have 3 or 4 heads
        ((("mlp_ratio0", 3),), False),
        ((("size", 1), ("num_heads0", 3)), True),
        ((("size", 2),), False),  # has 14 layers at least
        ((("num_heads11", 0),), False),
        ((("num_heads12", 1),), False),
        ((("depth", 1), ("num_heads12", 1), ("mlp_ratio12", 1)), True),
    ],
)
def test_layers_are_the_variants_and_stand_up_to_the_depth(changes, valid):
    assert bool(SPACE.is_valid(changed(*changes))) == valid
    if not valid:
        with pytest.raises(spaces.SpaceError, match="is no architecture; accepted are as many"):
            SPACE.to_string(changed(*changes))


def test_draws_have_every_variant_and_depth_alike():
    drawn = np.asarray(SPACE.sample(jax.random.key(0), 9000))
    for gene in range(3):
        assert abs(np.bincount(drawn[:, gene], minlength=3) - 3000).max() < 5 * 3000**0.5
    for size, (heads, ratios) in enumerate(zip(costs.HEADS, costs.RATIOS, strict=True)):
        first = drawn[drawn[:, 0] == size][:, [3, 3 + 16]]
        for genes, values in zip(first.T, (heads, ratios), strict=True):
            share = np.bincount(genes, minlength=4)[1 : len(values) + 1] / len(first)
            assert share.sum() == 1 and abs(share * len(values) - 1).max() < 0.15


def test_another_variant_keeps_places_in_lists():
    small = SPACE.from_string(
        json.dumps({"hidden_dim": 384, "mlp_ratio": [4.0] * 13, "depth": 13, "num_heads": [7] * 13})
    )
    rows = np.asarray(SPACE.neighbours(small))
    tiny, base = (json.loads(SPACE.to_string(row)) for row in sorted(rows[:2].tolist()))
    assert tiny["hidden_dim"] == 216 and tiny["num_heads"] == [4] * 13
    assert tiny["mlp_ratio"] == [4.0] * 13
    assert base["hidden_dim"] == 576 and base["num_heads"] == [10] * 15
    # Within a variant what it has not stays invalid.
    beyond = changed(("num_heads0", 3))
    rows = np.asarray(SPACE.neighbours(GENOTYPE))
    assert (rows == beyond).all(-1).any()


def names_of(genotype) -> list[str]:
    graph = SPACE.to_graph(genotype)
    return [SPACE.op_names[i] for i in np.asarray(graph.ops).argmax(-1)]


def scores(*names: str) -> np.ndarray:
    kinds = [SPACE.op_names.index(name) for name in names]
    return np.eye(SPACE.num_ops, dtype=np.float32)[kinds]


def test_a_graph_is_a_chain_of_width_and_layers():
    names = names_of(GENOTYPE)
    assert names == [
        *("input", "tiny_d192", "h3_r3.5", "h3_r3.5", "h4_r4", *["h3_r3.5"] * 9),
        *["identity"] * 4,
        "output",
    ]
    assert SPACE.labels(GENOTYPE).nodes == tuple(n for n in names if n != "identity")


def test_layers_of_another_variant_are_invalid_and_replaced():
    names = names_of(GENOTYPE)
    names[4] = "h7_r4"
    broken = scores(*names)
    broken[4, SPACE.op_names.index("h4_r3.5")] = 0.5
    assert not SPACE.is_valid(SPACE.free_decode(broken, EDGES))
    fixed = json.loads(SPACE.to_string(SPACE.from_graph(broken, EDGES)))
    assert fixed == TINY | {"mlp_ratio": [3.5] * 12}


def test_a_depth_that_the_variant_has_not_is_invalid():
    for count in (11, 15):
        names = ["input", "tiny_d192", *["h3_r3.5"] * count, *["identity"] * (16 - count), "output"]
        broken = scores(*names)
        assert not SPACE.is_valid(SPACE.free_decode(broken, EDGES))
        fixed = json.loads(SPACE.to_string(SPACE.from_graph(broken, EDGES)))
        assert fixed["depth"] == (12 if count == 11 else 14)


def test_coarse_versions_have_the_least_depth_and_spread_layers():
    coarse = [json.loads(SPACE.to_string(SPACE.sub_architecture(GENOTYPE, n))) for n in (3, 4, 9)]
    assert [c["depth"] for c in coarse] == [12, 12, 12]
    # Six layers of twelve: of each pair the second, of which none is the third.
    assert [c["num_heads"][:6] for c in coarse] == [[3] * 6] * 3
    base = SPACE.from_string(json.dumps(BASE))
    coarse = [json.loads(SPACE.to_string(SPACE.sub_architecture(base, n))) for n in (3, 5, 18)]
    assert [c["depth"] for c in coarse] == [14, 14, 15]
    assert [c["num_heads"].count(10) for c in coarse] == [0, 2, 15]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden_dim": 200}, "hidden_dim = 200; accepted are 192, 216, 240, 320"),
        ({"depth": 15}, "depth = 15; accepted are 12, 13, 14"),
        ({"num_heads": [3] * 13}, "num_heads = .*; accepted are lists of 12"),
        ({"num_heads": [5] * 12}, "num_heads of layer 0 = 5; accepted are 3, 4"),
        ({"mlp_ratio": [4] * 12}, r"mlp_ratio of layer 0 = 4; accepted are 3\.5, 4\.0"),
        ({"embed": 1}, "is not an object of hidden_dim, mlp_ratio, depth, num_heads"),
    ],
)
def test_configs_that_are_none(change, message):
    with pytest.raises(spaces.SpaceError, match=f"^autoformer: .*{message}"):
        SPACE.from_string(json.dumps(TINY | change))
