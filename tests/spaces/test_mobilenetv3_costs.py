"""Costs of Once-for-All's subnets: every row of the table, and blocks by hand."""

from __future__ import annotations

import numpy as np
import pytest

from pnag_jax import benchmarks, spaces
from pnag_jax.spaces import mobilenetv3_costs as costs
from pnag_jax.spaces.mbconv import Layer

SPACE = spaces.get("mobilenetv3")
K3_E3, K5_E6, SKIPPED = 0, 5, 9


def test_costs_equal_the_tables_columns_in_every_row(benchmark_dir):
    table = benchmarks.load("mobilenetv3", benchmark_dir)
    assert len(table.genotypes) == 2_223
    np.testing.assert_array_equal(SPACE.params(table.genotypes), table.column("imagenet/params"))
    np.testing.assert_array_equal(SPACE.flops(table.genotypes), table.column("imagenet/flops"))


def test_more_multiply_accumulates_take_longer(benchmark_dir):
    """Spearman's correlation with the latencies in large batches; 0.976 to 0.995."""
    table = benchmarks.load("mobilenetv3_latency", benchmark_dir)
    flops = np.asarray(SPACE.flops(table.genotypes)).argsort().argsort()
    for metric in table.metrics:
        if metric.endswith("_64"):
            found = np.corrcoef(flops, table.column(metric).argsort().argsort())[0, 1]
            assert found > 0.9


def test_where_the_blocks_stand():
    """224 pixels become 112, then stages of 56, 28, 14, 14 and 7; 132 round up to 5."""
    layers = costs.layers(224)
    assert layers[0] == Layer(16, 24, side=112, stride=2)
    assert layers[1] == layers[3] == Layer(24, 24, side=56, stride=1)
    assert layers[12] == Layer(80, 112, side=14, stride=1)
    assert layers[16] == Layer(112, 160, side=14, stride=2) and layers[19].side == 7
    assert [layer.side for layer in costs.layers(132)[::4]] == [66, 33, 17, 9, 9]
    assert costs.layers(132)[-1].side_out == 5


def test_what_surrounds_the_blocks():
    stem, first = 27 * 16 + 32, (9 * 16 + 32) + (16 * 16 + 32)
    head = 160 * 960 + 2 * 960 + 960 * 1280
    assert costs.fixed_params(1000) == stem + first + head + 1281 * 1000
    pixels = (27 * 16 + 9 * 16 + 16 * 16) * 112**2
    assert costs.fixed_flops(1000)[-1] == pixels + 160 * 960 * 7**2 + 960 * 1280 + 1280 * 1000


def test_a_block_without_a_squeeze():
    """First of all, 16 to 24 channels, 48 expanded."""
    assert costs.block_params()[0, K3_E3] == 16 * 48 + 9 * 48 + 48 * 24 + 2 * (48 + 48 + 24)
    expected = 16 * 48 * 112**2 + (9 * 48 + 48 * 24) * 56**2
    assert costs.block_flops()[-1, 0, K3_E3] == expected


def test_a_block_with_a_squeeze():
    """Sixth, 40 channels, 240 expanded, a quarter of that is 60: 64 squeezed."""
    weights, squeeze = 40 * 240 + 25 * 240 + 240 * 40, 240 * 64 + 64 + 64 * 240 + 240
    assert costs.block_params()[5, K5_E6] == weights + squeeze + 2 * (240 + 240 + 40)
    assert costs.block_flops()[-1, 5, K5_E6] == weights * 28**2 + 2 * 240 * 64


def test_a_skipped_block_costs_nothing():
    assert (costs.block_params()[:, SKIPPED] == 0).all()
    assert (costs.block_flops()[..., SKIPPED] == 0).all()


def test_another_number_of_classes_changes_the_classifier_only():
    genotype = np.zeros(46, int)
    assert SPACE.params(genotype, 10) - SPACE.params(genotype) == -990 * 1_281
    assert SPACE.flops(genotype, 10) - SPACE.flops(genotype) == -990 * 1_280


@pytest.mark.parametrize("width", [1.0, 1.2])
def test_counts_stay_below_the_limit_of_the_integers_they_are_summed_in(width):
    every = costs.block_flops(width).astype(np.int64).max(axis=-1).sum(axis=-1)
    assert (every + costs.fixed_flops(1000, width)).max() < 2**31


def test_wider_channels_are_multiples_of_eight():
    wide = [layer.channels_out for layer in costs.layers(224, 1.2)[::4]]
    assert wide == [32, 48, 96, 136, 192]
    assert costs.channels_of(16, 1.2) == 24
