"""Costs of language models beside the published ones and by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pnag_jax import benchmarks, spaces
from pnag_jax.spaces import gpt2_costs
from pnag_jax.spaces.gpt2_costs import Form

SPACE = spaces.get("gpt2")


@pytest.mark.parametrize("dataset", ["wt103", "lm1b"])
def test_parameters_are_the_tables_columns_in_every_row(benchmark_dir, dataset):
    table = benchmarks.load(f"gpt2_{dataset}", benchmark_dir)
    assert len(table.genotypes) == 200 and table.valid.all()
    found = SPACE.params(table.genotypes, dataset=dataset)
    np.testing.assert_array_equal(found, table.column("lm/params"))
    without = SPACE.params(table.genotypes, dataset=dataset, embeddings=False)
    np.testing.assert_array_equal(without, table.column("lm/params_nonembedding"))


def test_bins_end_at_the_cutoffs_that_the_vocabulary_has():
    assert Form().bins(50_264) == (19_997, 20_000, 10_267)
    assert Form().bins(30_000) == (19_997, 10_003)
    assert Form().bins(19_997) == (19_997,)
    assert gpt2_costs.bin_widths(3, 256, 4) == (256, 64, 16)


def config(**change) -> np.ndarray:
    smallest = {"n_layer": 2, "d_model": 64, "d_embed": 128, "div_val": 1}
    layers = {"n_head": [2, 2], "d_inner": [512, 512]}
    return SPACE.from_string(json.dumps(smallest | layers | change))


def test_parameters_by_hand():
    """100 words of one bin in front of a projection, two layers of width 64."""
    # Words and biases, ways in and out, positions, last norm.
    ends = 100 * 128 + 100 + 2 * 128 * 64 + 192 * 64 + 2 * 64
    # Queries, keys, values and their sum; two norms; the inner layer.
    layer = 4 * (64 * 64 + 64) + 4 * 64 + (64 + 1) * 512 + (512 + 1) * 64
    assert SPACE.params(config(), 100) == ends + 2 * layer
    # A Transformer-XL: no positions and last norm, five matrices and two biases.
    ends = 100 * 128 + 100 + 2 * 128 * 64
    layer = 5 * 64 * 64 + 2 * 64 + 4 * 64 + (64 + 1) * 512 + (512 + 1) * 64
    assert SPACE.params(config(), 100, "lm1b") == ends + 2 * layer


def test_multiply_accumulates_by_hand():
    ends = 100 * 128 + 2 * 128 * 64
    layer = 4 * 64 * 64 + 2 * 192 * 64 + 2 * 64 * 512
    assert SPACE.flops(config(), 100) == 192 * (ends + 2 * layer)


def test_no_projection_where_the_widths_agree():
    same = config(d_model=128)
    # 128 * 128 would be a way in, and another out.
    assert not gpt2_costs.projects(128, 128, 1) and gpt2_costs.projects(128, 128, 2)
    divided = config(d_model=128, div_val=2)
    assert SPACE.params(divided, 100) - SPACE.params(same, 100) == 2 * 128 * 128


def test_sums_stay_within_the_integers_they_are_summed_in():
    largest = config(n_layer=16, d_model=512, d_embed=512, n_head=[8] * 16, d_inner=[2048] * 16)
    assert 0 < float(SPACE.params(largest)) < 2**31
    assert 0 < float(SPACE.flops(largest)) / 192 < 2**31
