"""Costs by hand and against every row of the table."""

from __future__ import annotations

import numpy as np
import pytest

from pnag_jax import benchmarks, spaces
from pnag_jax.spaces import mnasnet_costs

SPACE = spaces.get("mnasnet")


@pytest.fixture(scope="module")
def table(benchmark_dir):
    return benchmarks.load("mnasnet", benchmark_dir)


def kind(*genes: int) -> int:
    """Index of (expansion, kernel, layers, squeeze-and-excitation)."""
    return mnasnet_costs.KINDS.index(genes)


def test_costs_equal_the_tables_columns_in_every_row(table):
    assert len(table.genotypes) == 5_138
    params = np.asarray(SPACE.params(table.genotypes), np.float64)
    np.testing.assert_array_equal(
        (params / 1e6).astype(np.float32), table.column("imagenet/params_m")
    )
    flops = np.asarray(SPACE.flops(table.genotypes, norms_and_pools=True), np.float64)
    # The number was rounded in millions there, in ones here.
    np.testing.assert_array_max_ulp(
        (flops / 1e6).astype(np.float32), table.column("imagenet/flops_m"), maxulp=1
    )


def test_more_multiply_accumulates_take_longer(table):
    """Spearman's correlation with the measured speeds; 0.69 to 0.85."""
    flops = np.asarray(SPACE.flops(table.genotypes))

    def rank_correlation(column: str) -> float:
        values = table.column(column)
        measured = ~np.isnan(values)
        ranks = [x[measured].argsort().argsort() for x in (flops, values)]
        return float(np.corrcoef(ranks)[0, 1])

    for metric in table.metrics:
        if metric.startswith("latency"):
            assert rank_correlation(metric) > 0.65
        if metric.startswith("throughput"):
            assert rank_correlation(metric) < -0.65


def test_what_surrounds_the_blocks():
    # Stem 27 * 32 weights and a norm of 32; head 320 * 1280 and its norm; classifier.
    assert mnasnet_costs.fixed_params(1000) == 864 + 64 + 409_600 + 2_560 + 1_281_000
    # The stem on 112 x 112, the head on 7 x 7.
    assert mnasnet_costs.fixed_flops(1000) == 864 * 112**2 + 409_600 * 7**2 + 1_280_000
    # Norms four times, each value of 7 x 7 once into the pool and one division a channel.
    assert mnasnet_costs.fixed_norms_and_pools() == (
        4 * (32 * 112**2 + 1_280 * 7**2) + 1_280 * 7**2 + 1_280
    )


def test_a_layer_without_expansion():
    """First block, 32 to 16 channels on 112 x 112: 9 * 32 and 32 * 16 weights, two norms."""
    one = kind(1, 3, 1, 0)
    assert mnasnet_costs.block_params()[0, one] == 288 + 64 + 512 + 32
    assert mnasnet_costs.block_flops()[0, one] == (288 + 512) * 112**2
    assert mnasnet_costs.block_norms_and_pools()[0, one] == 4 * (32 + 16) * 112**2


def test_a_layer_with_everything():
    """Second block, 16 to 24 channels, 4 times expanded: 64 hidden channels, squeezed to 4."""
    one = kind(4, 5, 1, 1)
    expand, depthwise, project = 16 * 64, 25 * 64, 64 * 24
    squeeze = 64 * 4 + 4 + 4 * 64 + 64
    norms = 2 * (64 + 64 + 24)
    assert mnasnet_costs.block_params()[1, one] == expand + depthwise + squeeze + project + norms
    # The stride of 2 lies in the depthwise convolution.
    assert mnasnet_costs.block_flops()[1, one] == (
        expand * 112**2 + (depthwise + project) * 56**2 + 2 * 64 * 4
    )
    assert mnasnet_costs.block_norms_and_pools()[1, one] == (
        4 * (64 * 112**2 + (64 + 24) * 56**2) + 64 * 56**2 + 64
    )


def test_further_layers_keep_channels_and_side():
    """Sixth block: each has 192 channels on 7 x 7, and squeezes to 48."""
    params, flops = mnasnet_costs.block_params()[5], mnasnet_costs.block_flops()[5]
    hidden = 6 * 192
    weights = 2 * 192 * hidden + 9 * hidden
    squeeze = hidden * 48 + 48 + 48 * hidden + hidden
    for layers in (2, 3, 4):
        more, less = kind(6, 3, layers, 1), kind(6, 3, layers - 1, 1)
        assert params[more] - params[less] == weights + squeeze + 2 * (2 * hidden + 192)
        assert flops[more] - flops[less] == weights * 7**2 + 2 * hidden * 48
