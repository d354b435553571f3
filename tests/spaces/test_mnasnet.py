"""MnasNet: a network known from elsewhere, kinds of blocks, the benchmark's config."""

from __future__ import annotations

import json

import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax import spaces
from pnag_jax.spaces import mnasnet

SPACE = spaces.get("mnasnet")
SMALLEST = np.zeros(28, int)
LARGEST = np.array(SPACE.choices) - 1
B0 = {
    "e": [1, 6, 6, 6, 6, 6, 6],
    "k": [3, 3, 5, 3, 5, 5, 3],
    "l": [1, 2, 2, 3, 3, 4, 1],
    "se": [True] * 7,
}


def with_kinds(first: str, *others: str) -> np.ndarray:
    """One-hot op scores ``[9, 50]`` of seven named kinds, missing ones e1_k3_l1."""
    names = ["input", first, *others, *["e1_k3_l1"] * (6 - len(others)), "output"]
    return np.eye(SPACE.num_ops, dtype=np.float32)[[SPACE.op_names.index(n) for n in names]]


def test_it_has_as_many_genotypes_as_the_benchmark_configurations():
    # 3 * 2 * 3 * 2 kinds of block, 3 * 2 * 4 * 2 in the sixth place.
    assert SPACE.size == 36**6 * 48 == 104_485_552_128
    assert SPACE.num_ops == 48 + 2
    assert SPACE.fields[:5] == (
        *("block0.expansion", "block0.kernel", "block0.layers", "block0.se"),
        "block1.expansion",
    )


def test_genes_stand_for_these_numbers():
    assert SPACE.gene_values[:4] == ((1, 4, 6), (3, 5), (1, 2, 3), (0, 1))
    assert SPACE.gene_values[4 * 5 + 2] == (1, 2, 3, 4)
    assert tuple(map(len, SPACE.gene_values)) == SPACE.choices


def test_a_network_is_its_own_canonical_form():
    assert (SPACE.canonical(LARGEST) == LARGEST).all()
    assert SPACE.canonical(LARGEST).dtype == jnp.int32


def test_parameters_and_multiply_accumulates_of_efficientnet_b0():
    """5,288,548 and 0.39 billion (Tan and Le, ICML 2019; 385.8 million to the unit)."""
    genotype = SPACE.from_string(json.dumps(B0))
    assert SPACE.params(genotype) == 5_288_548
    assert SPACE.flops(genotype) == np.float32(385_814_752)


def test_a_block_of_two_layers_becomes_a_node():
    genotype = SMALLEST.copy()
    genotype[8:12] = [1, 1, 1, 1]
    assert (SPACE.to_graph(genotype).ops == with_kinds("e1_k3_l1", "e1_k3_l1", "e4_k5_l2_se")).all()
    assert SPACE.labels(genotype).nodes == (
        *("input", "e1_k3_l1", "e1_k3_l1", "e4_k5_l2_se"),
        *("e1_k3_l1", "e1_k3_l1", "e1_k3_l1", "e1_k3_l1", "output"),
    )


def test_four_layers_are_decoded_in_the_sixth_block_alone():
    scores = with_kinds(*["e6_k5_l4_se"] * 7)
    scores[:, SPACE.op_names.index("e6_k3_l3")] = 0.5
    decoded = SPACE.from_graph(scores, np.zeros((9, 9)))
    blocks = np.asarray(decoded).reshape(7, 4).tolist()
    assert blocks == [[2, 0, 2, 0]] * 5 + [[2, 1, 3, 1]] + [[2, 0, 2, 0]]


def test_sub_architectures_spread_over_the_depth():
    assert [
        [int(np.asarray(SPACE.sub_architecture(LARGEST, n)).reshape(7, 4)[i, 0]) for i in range(7)]
        for n in range(3, 10)
    ] == [
        [0, 0, 0, 2, 0, 0, 0],
        [0, 2, 0, 0, 0, 2, 0],
        [0, 2, 0, 2, 0, 2, 0],
        [2, 0, 2, 0, 2, 0, 2],
        [2, 0, 2, 2, 2, 0, 2],
        [2, 2, 2, 0, 2, 2, 2],
        [2, 2, 2, 2, 2, 2, 2],
    ]
    # A block stays whole, and what does not is the smallest.
    coarse = np.asarray(SPACE.sub_architecture(LARGEST, 3)).reshape(7, 4)
    assert coarse[3].tolist() == [2, 1, 2, 1] and (np.delete(coarse, 3, axis=0) == 0).all()


def test_the_string_is_the_benchmarks_config():
    genotype = SPACE.from_string(json.dumps(B0))
    assert genotype.reshape(7, 4).tolist() == [
        *([0, 0, 0, 1], [2, 0, 1, 1], [2, 1, 1, 1], [2, 0, 2, 1]),
        *([2, 1, 2, 1], [2, 1, 3, 1], [2, 0, 0, 1]),
    ]
    assert json.loads(SPACE.to_string(genotype)) == B0
    assert SPACE.to_string(SMALLEST) == (
        '{"e": [1, 1, 1, 1, 1, 1, 1], "k": [3, 3, 3, 3, 3, 3, 3], "l": [1, 1, 1, 1, 1, 1, 1], '
        '"se": [false, false, false, false, false, false, false]}'
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0", "is not an object of e, k, l, se"),
        (json.dumps({k: v for k, v in B0.items() if k != "se"}), "is not an object of e, k, l, se"),
        (json.dumps(B0 | {"width": 1}), "is not an object of e, k, l, se"),
        (json.dumps(B0 | {"e": 6}), "e = 6; accepted are lists of 7"),
        (json.dumps(B0 | {"e": [6] * 8}), r"e = \[6, .*; accepted are lists of 7"),
        (json.dumps(B0 | {"e": [3] * 7}), "e of block 0 = 3; accepted are 1, 4, 6"),
        (json.dumps(B0 | {"k": [3.0] * 7}), r"k of block 0 = 3\.0; accepted are 3, 5"),
        (json.dumps(B0 | {"e": [True] * 7}), "e of block 0 = True; accepted are 1, 4, 6"),
        (json.dumps(B0 | {"se": [1] * 7}), "se of block 0 = 1; accepted are False, True"),
        (json.dumps(B0 | {"l": [3, 3, 3, 3, 4, 4, 1]}), "l of block 4 = 4; accepted are 1, 2, 3"),
        (json.dumps(B0 | {"l": [1, 1, 1, 1, 1, 5, 1]}), "l of block 5 = 5; accepted are 1, 2, 3,"),
        ("[" * 100_000, "is not JSON"),
    ],
)
def test_configs_that_are_none(text, message):
    with pytest.raises(spaces.SpaceError, match=f"^mnasnet: .*{message}"):
        SPACE.from_string(text)


def test_another_number_of_classes_changes_the_classifier_only():
    assert SPACE.params(LARGEST, 10) - SPACE.params(LARGEST) == -990 * 1_281
    assert SPACE.flops(SMALLEST, 10) - SPACE.flops(SMALLEST) == -990 * 1_280


def test_counts_stay_below_the_limit_of_the_integers_they_are_summed_in():
    costs = mnasnet.mnasnet_costs
    every = costs.block_flops() + costs.block_norms_and_pools()
    fixed = costs.fixed_flops(1000) + costs.fixed_norms_and_pools()
    assert every.astype(np.int64).max(axis=1).sum() + fixed < 2**31
