"""Once-for-All's subnets: skipped blocks, decodes that are none, config dicts."""

from __future__ import annotations

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax import spaces
from pnag_jax.spaces.mobilenetv3 import OPS, SKIP

SPACE = spaces.get("mobilenetv3")
SMALLEST = np.zeros(46, int)
LARGEST = np.array(SPACE.choices) - 1
CONFIG = {
    "ks": [3, 5, 7, 5] * 5,
    "e": [6, 4, 3, 6] * 5,
    "d": [4, 2, 3, 4, 2],
    "r": 176,
}
SIDE = OPS.index("r176")


def with_depths(genotype: np.ndarray, *depths: int) -> np.ndarray:
    changed = genotype.copy()
    changed[40:45] = depths
    return changed


def scores(*kinds: int) -> np.ndarray:
    """One-hot op scores ``[23, 37]`` of 21 kinds."""
    return np.eye(37, dtype=np.float32)[[0, *(kind + 1 for kind in kinds), 36]]


def free(*kinds: int) -> np.ndarray:
    return np.asarray(SPACE.free_decode(scores(*kinds), np.zeros((23, 23))))


def test_it_has_as_many_networks_as_once_for_all_at_each_resolution():
    # 9 kinds of block, 2 to 4 of them a stage: about 2 * 10^19 (Cai et al., section 3.2).
    assert SPACE.size == (9**2 + 9**3 + 9**4) ** 5 * 25 == 25 * 21_758_655_492_572_485_851
    assert SPACE.num_nodes == 23 and SPACE.num_ops == 9 + 1 + 25 + 2


def test_genes_stand_for_these_numbers():
    assert SPACE.fields[0] == "kernel0" and SPACE.gene_values[0] == (3, 5, 7)
    assert SPACE.fields[39] == "expansion19" and SPACE.gene_values[39] == (3, 4, 6)
    assert SPACE.fields[44] == "depth4" and SPACE.gene_values[44] == (2, 3, 4)
    assert SPACE.fields[45] == "resolution" and SPACE.gene_values[45] == tuple(range(128, 225, 4))


def test_what_skipped_blocks_say_makes_no_difference():
    genotype = with_depths(LARGEST, 0, 1, 2, 1, 0)
    form = np.asarray(SPACE.canonical(genotype))
    kernels = form[:20].reshape(5, 4)
    assert kernels.tolist() == [[2, 2, 0, 0], [2] * 3 + [0], [2] * 4, [2] * 3 + [0], [2, 2, 0, 0]]
    assert (form[20:40] == form[:20]).all() and (form[40:] == genotype[40:]).all()
    assert SPACE.params(genotype) == SPACE.params(form)
    graphs = SPACE.to_graph(genotype), SPACE.to_graph(form)
    assert all((a == b).all() for a, b in zip(*graphs, strict=True))
    assert (SPACE.canonical(LARGEST) == LARGEST).all()


def test_samples_have_every_depth_equally_often():
    drawn = np.asarray(SPACE.sample(jax.random.key(0), 3000))
    assert (SPACE.canonical(drawn) == drawn).all()
    shares = np.stack([np.bincount(depth, minlength=3) for depth in drawn[:, 40:45].T]) / 3000
    # Five standard errors; with every network alike 89 % of stages would have 4 blocks.
    assert np.abs(shares - 1 / 3).max() < 0.045
    # The third block is there in two thirds, and then of any kernel.
    assert abs((drawn[:, 2] == 2).mean() - 2 / 9) < 0.04


def test_a_neighbour_is_another_network():
    """Every gene of 10 blocks, depths and side: 10 * 4 + 5 * 2 + 24 of 114 changes."""
    rows = np.asarray(SPACE.neighbours(SMALLEST))
    assert rows.shape == (114, 46) and (SPACE.canonical(rows) == rows).all()
    assert len(np.unique(rows, axis=0)) == 1 + 40 + 10 + 24
    fewer = np.asarray(SPACE.neighbours(LARGEST))
    assert (fewer[:, 40] == 0).sum() == 1
    assert fewer[fewer[:, 40] == 0][0, :4].tolist() == [2, 2, 0, 0]


def test_a_stage_is_as_deep_as_its_scores_say_together():
    kinds = [SIDE] + [0, 0, SKIP, SKIP] * 5
    ops = scores(*kinds)
    # The third block gains 2 over skipping it, the fourth loses 1.
    ops[4, SPACE.op_names.index("k5_e4")] = 3.0
    genotype = np.asarray(SPACE.from_graph(ops, np.zeros((23, 23))))
    assert genotype[40:45].tolist() == [1, 0, 0, 0, 0]
    assert (genotype[2], genotype[22]) == (1, 1)
    # Where the fourth gains more than the third loses, both stay.
    ops[9, :] = 0.0
    ops[8, SPACE.op_names.index("skip")] = 1.0
    ops[9, SPACE.op_names.index("k7_e6")] = 2.0
    genotype = np.asarray(SPACE.from_graph(ops, np.zeros((23, 23))))
    assert genotype[40:45].tolist() == [1, 2, 0, 0, 0]
    assert (genotype[7], genotype[27], genotype[45]) == (2, 2, 12)


def test_the_free_decode_finds_what_is_whole():
    genotype = free(
        SIDE, *[8, 1, SKIP, SKIP], *[4, 4, 4, SKIP], *[0, 1, 2, 3], *[5, 5, SKIP, SKIP] * 2
    )
    assert SPACE.is_valid(genotype)
    assert genotype[40:].tolist() == [0, 1, 2, 0, 0, 12]
    assert genotype[:4].tolist() == [2, 0, 0, 0] and genotype[20:24].tolist() == [2, 1, 0, 0]


@pytest.mark.parametrize(
    ("side", "stage"),
    [
        (SIDE, [0, SKIP, 0, SKIP]),  # a block behind a skipped one
        (SIDE, [SKIP, 0, 0, 0]),
        (SIDE, [0, SKIP, SKIP, SKIP]),  # a block alone
        (SIDE, [SKIP] * 4),
        (SIDE, [0, 0, SIDE, SKIP]),  # the side of an image is no block
        (SIDE, [0, 0, 0, -1]),  # nor is the input
        (0, [0, 0, 0, 0]),  # and a block is no side
        (35, [0, 0, 0, 0]),  # nor is the output
    ],
)
def test_the_free_decode_repairs_nothing(side, stage):
    kinds = [side, *[0, 0, SKIP, SKIP] * 3, *stage, *[0, 0, SKIP, SKIP]]
    found = free(*kinds)
    assert not SPACE.is_valid(found)
    assert found[43 if side == SIDE else 45] == -1
    assert SPACE.is_valid(SPACE.from_graph(scores(*kinds), np.zeros((23, 23))))


def test_a_tie_with_skipping_is_skipped_in_both_decodes():
    ops = scores(SIDE, *[0, 0, 0, SKIP] * 5)
    ops[4, SPACE.op_names.index("skip")] = 1.0
    for decode in (SPACE.from_graph, SPACE.free_decode):
        assert np.asarray(decode(ops, np.zeros((23, 23))))[40:45].tolist() == [0, 1, 1, 1, 1]


def test_sub_architectures_spread_over_side_and_depth():
    coarse = [np.asarray(SPACE.sub_architecture(LARGEST, n)) for n in range(3, 24)]
    # One operation: the tenth of 20 blocks, at the smallest side.
    assert np.flatnonzero(coarse[0]).tolist() == [9, 29]
    # Three: the third block keeps its stage at three, the others have two; all of 21.
    assert np.flatnonzero(coarse[2]).tolist() == [2, 9, 16, 22, 29, 36, 40]
    assert (coarse[-1] == LARGEST).all()
    skipped = with_depths(LARGEST, 0, 0, 0, 0, 0)
    assert (SPACE.sub_architecture(skipped, 5)[40:45] == 0).all()


def test_the_string_is_once_for_alls_config():
    genotype = SPACE.from_string(json.dumps(CONFIG))
    assert genotype[:5].tolist() == [0, 1, 2, 1, 0] and genotype[20:24].tolist() == [2, 1, 0, 2]
    assert genotype[40:].tolist() == [2, 0, 1, 2, 0, 12]
    assert json.loads(SPACE.to_string(genotype)) == CONFIG
    assert (SPACE.from_string(json.dumps(CONFIG | {"r": [176]})) == genotype).all()
    assert SPACE.labels(genotype).nodes[:7] == (
        *("input", "r176", "k3_e6", "k5_e4", "k7_e3", "k5_e6", "k3_e6"),
    )
    assert len(SPACE.labels(genotype).nodes) == 15 + 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0", "is not an object of ks, e, d, r"),
        (json.dumps({k: v for k, v in CONFIG.items() if k != "d"}), "is not an object of ks"),
        (json.dumps(CONFIG | {"wid": 1}), "is not an object of ks, e, d, r"),
        (json.dumps(CONFIG | {"ks": [3] * 19}), r"ks = \[3, .*; accepted are lists of 20"),
        (json.dumps(CONFIG | {"e": 6}), "e = 6; accepted are lists of 20"),
        (json.dumps(CONFIG | {"e": [5] * 20}), "e of block 0 = 5; accepted are 3, 4, 6"),
        (json.dumps(CONFIG | {"d": [3.0] * 5}), r"d of stage 0 = 3\.0; accepted are 2, 3, 4"),
        (json.dumps(CONFIG | {"r": 130}), "r = 130; accepted are 128, 132, .*, 224"),
        (json.dumps(CONFIG | {"r": [128, 224]}), r"r = \[128, 224\]; accepted are 128, 132"),
        ("[" * 100_000, "is not JSON"),
    ],
)
def test_configs_that_are_none(text, message):
    with pytest.raises(spaces.SpaceError, match=f"^mobilenetv3: .*{message}"):
        SPACE.from_string(text)


def test_scores_of_every_size_decode():
    """Gains at the ends of the range, where sums of them overflow."""
    ops = np.full((23, 37), -np.inf, np.float32)
    ops[:, 1] = np.inf
    genotype = np.asarray(SPACE.from_graph(jnp.asarray(ops), np.zeros((23, 23))))
    assert genotype[40:45].tolist() == [2] * 5
    assert (SPACE.from_graph(-jnp.asarray(ops), np.zeros((23, 23)))[:45] >= 0).all()
