from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pnag_jax.benchmarks.lookup import RowIndex


@st.composite
def matrices(draw):
    choices = tuple(draw(st.lists(st.integers(1, 5), min_size=1, max_size=6)))
    rows = draw(st.lists(st.tuples(*(st.integers(0, c - 1) for c in choices)), max_size=20))
    wanted = draw(st.lists(st.tuples(*(st.integers(-1, c) for c in choices)), max_size=20))
    return choices, rows, wanted


@settings(deadline=None)
@given(matrices())
def test_agrees_with_a_linear_search(case):
    choices, rows, wanted = case
    index = RowIndex(np.array(rows, np.int16).reshape(-1, len(choices)), choices)
    expected = [rows.index(genotype) if genotype in rows else -1 for genotype in wanted]
    found = index.find(np.array(wanted, np.int16).reshape(-1, len(choices)))
    assert found.tolist() == expected
    assert len(index) == len(set(rows))


def test_keys_longer_than_a_word_are_exact():
    # 60 genes of 7 values: 7^60 = 5e50 genotypes, three words.
    rng = np.random.default_rng(0)
    choices = (7,) * 60
    rows = rng.integers(0, 7, (500, 60)).astype(np.int16)
    index = RowIndex(rows, choices)
    np.testing.assert_array_equal(index.find(rows), np.arange(500))
    # One gene changed, in turn at every position: none of them is a row.
    near = rows[:60].copy()
    near[np.arange(60), np.arange(60)] = (near[np.arange(60), np.arange(60)] + 1) % 7
    np.testing.assert_array_equal(index.find(near), np.full(60, -1))


def test_out_of_range_genes_do_not_alias():
    # In mixed radix (1, -1) and (0, 2) of radix 3 would both be written 2.
    index = RowIndex(np.array([[0, 2], [1, 0]]), (2, 3))
    wanted = np.array([[[0, 2], [1, -1]], [[0, 3], [1, 0]]])
    assert index.find(wanted).tolist() == [[0, -1], [-1, 1]]


def test_first_of_equal_rows_wins():
    index = RowIndex(np.array([[1], [0], [1]]), (2,))
    assert index.find(np.array([[0], [1]])).tolist() == [1, 0]
