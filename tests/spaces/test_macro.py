"""NAS-Bench-Macro: costs of every row, interchangeable identities."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from pnag_jax import spaces

SPACE = spaces.get("macro")
ALL = np.indices(SPACE.choices, np.int32).reshape(8, -1).T


@pytest.fixture(scope="module")
def table(benchmark_dir):
    return np.load(benchmark_dir / "macro.npz")


def test_costs_equal_the_tables_columns_in_every_row(table):
    assert len(table["arch"]) == 6_561
    np.testing.assert_array_equal(SPACE.params(table["arch"]), table["cifar10/params"])
    np.testing.assert_array_equal(SPACE.flops(table["arch"]), table["cifar10/flops"])


def test_costs_by_hand():
    """Stem 864 + 64; three 1x1 convolutions with norm 2,176 + 8,448 + 33,280;
    head 327,680 + 2,560; classifier 12,810."""
    assert SPACE.params(np.zeros(8, int)) == 387_882
    # Stem 27 * 32 * 32^2; three times 524,288; head 327,680 * 4^2; classifier 12,800.
    assert SPACE.flops(np.zeros(8, int)) == 7_713_280
    # A 3x3 block of hidden width 3 * 64 in layer 1: 64 * 192 twice and 9 * 192
    # weights, norms of 192, 192 and 64 channels; all of it on 16 x 16.
    block = np.array([0, 1, 0, 0, 0, 0, 0, 0])
    assert SPACE.params(block) - 387_882 == 2 * 64 * 192 + 9 * 192 + 2 * (192 + 192 + 64)
    assert SPACE.flops(block) - 7_713_280 == (2 * 64 * 192 + 9 * 192) * 16**2


def test_another_number_of_classes_changes_the_classifier_only():
    genotype = np.array([0, 2, 1, 0, 2, 2, 1, 1])
    assert SPACE.params(genotype, 100) - SPACE.params(genotype) == 90 * 1_281
    assert SPACE.flops(genotype, 100) - SPACE.flops(genotype) == 90 * 1_280


def test_an_identity_may_stand_before_or_behind_a_block_of_its_stage():
    pairs = {"00010000": "00001000", "00000020": "00000002", "11120120": "11102102"}
    for one, other in pairs.items():
        found = SPACE.canonical(SPACE.from_string(one))
        assert SPACE.to_string(found) == other
    # In the first layer of a stage an identity is a convolution, and two
    # blocks never change places.
    for alone in ("01000000", "10000000", "00100000", "00000100", "00021021", "00012012"):
        assert SPACE.to_string(SPACE.canonical(SPACE.from_string(alone))) == alone


def test_3969_classes_which_the_table_confirms(table):
    """All members of a class have the same accuracies, and classes differ."""
    form = np.asarray(jax.jit(SPACE.canonical)(ALL))
    assert len(np.unique(form, axis=0)) == 3_969
    assert (table["arch"] == ALL).all()
    rows = np.ravel_multi_index(form.T, SPACE.choices)
    seeds = np.stack([table[f"cifar10/test_accuracy_seed{i}"] for i in range(3)], axis=1)
    assert (seeds == seeds[rows]).all()
    assert len(np.unique(seeds, axis=0)) == 3_969


def test_the_decode_takes_the_best_block_of_each_layer():
    op_logits = np.random.default_rng(0).normal(size=(100, 10, 5)).astype(np.float32)
    decoded = SPACE.from_graph(op_logits, np.zeros((100, 10, 10)))
    assert (decoded == op_logits[:, 1:-1, 1:-1].argmax(-1)).all()


def test_sub_architectures_spread_over_the_depth():
    genotype = SPACE.from_string("21212121")
    coarse = [SPACE.to_string(SPACE.sub_architecture(genotype, n)) for n in range(3, 11)]
    assert coarse == [
        "00002000",
        "00200020",
        "01002020",
        "01010101",
        "20202101",
        "20212021",
        "21202121",
        "21212121",
    ]


@pytest.mark.parametrize("text", ["", "0210221", "021022110", "02102213", "0210221x", "0210 211"])
def test_strings_that_are_not_chains(text):
    with pytest.raises(spaces.SpaceError, match=r"^macro: .* is not 8 digits"):
        SPACE.from_string(text)


def test_the_tables_optimum_is_one_architecture(table):
    accuracy = table["cifar10/test_accuracy"]
    best = table["arch"][accuracy == accuracy.max()]
    assert [SPACE.to_string(genotype) for genotype in best] == ["22212202", "22212220"]
    assert len(np.unique(SPACE.canonical(best), axis=0)) == 1
