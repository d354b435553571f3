"""Rows of a table of language models, and the genotypes that they are."""

from __future__ import annotations

import numpy as np
import pytest

from pnag_jax import spaces

SPACE = spaces.get("gpt2")
# Three layers; the second inner width lies 47 above a step, the last is the largest.
ROW = [3, 512, 256, 4, *[8, 2, 4], *[0] * 13, *[512, 1071, 2048], *[0] * 13]


def gene(genotype: np.ndarray, field: str) -> int:
    return int(genotype[SPACE.fields.index(field)])


def test_a_table_writes_inner_widths_whole():
    assert len(SPACE.columns) == len(ROW) == 36
    genotype = SPACE.from_columns(np.array([ROW]))[0]
    # 1071 = 512 + 2 steps of 256 + 2 * 16 + 15.
    fields = ("d_inner1", "d_inner_sixteens1", "d_inner_ones1")
    assert [gene(genotype, field) for field in fields] == [3, 2, 15]
    assert gene(genotype, "d_inner2") == 7 and gene(genotype, "d_inner3") == 0
    assert genotype[:7].tolist() == [1, 3, 1, 2, 3, 1, 2]
    assert SPACE.to_columns(genotype[None])[0].tolist() == ROW


def test_an_embedding_of_minus_one_is_as_wide_as_the_model():
    row = np.array([ROW])
    row[0, 2] = -1
    assert gene(SPACE.from_columns(row)[0], "d_embed") == 2
    row[0, 1] = 64
    with pytest.raises(spaces.SpaceError, match="row 0, d_embed = -1 with d_model = 64; accepted"):
        SPACE.from_columns(row)
