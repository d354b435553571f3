"""Alias tables against the distributions that they were made from."""

from __future__ import annotations

import hypothesis
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pnag_jax.generation import alias


def shares(words: np.ndarray, num_values: int) -> np.ndarray:
    """The distributions that words stand for, ``[R, V]``."""
    bits = alias.value_bits(num_values)
    mask = (1 << bits) - 1
    threshold = (words >> 2 * bits) / 2 ** (32 - 2 * bits)
    found = np.zeros((len(words), 1 << bits))
    rows = np.broadcast_to(np.arange(len(words))[:, None], words.shape)
    np.add.at(found, (rows, words & mask), threshold)
    np.add.at(found, (rows, words >> bits & mask), 1 - threshold)
    return found / words.shape[1]


def test_words_by_hand():
    # Value 1 has 6 of 8 units, value 0 has 2; a column holds 4.  The second
    # column is half value 0 and half value 1, the first is all value 1.
    words, columns_bits = alias.words(np.array([[1, 3, 0]]))
    assert columns_bits == 1
    half = 1 << 27  # of the 28 bits of the threshold
    assert words.tolist() == [[(2**28 - 1) << 4 | 1 << 2 | 1, half << 4 | 1 << 2 | 0]]


def test_one_value_takes_one_word():
    words, columns_bits = alias.words(np.array([[0, 7], [5, 0]]))
    assert (words.shape, columns_bits) == ((2, 1), 0)
    np.testing.assert_allclose(shares(words, 2), [[0, 1], [1, 0]])


@hypothesis.given(
    hnp.arrays(
        np.int64,
        st.tuples(st.integers(1, 6), st.integers(1, 70)),
        elements=st.integers(0, 1000) | st.just(0),
    )
)
def test_words_stand_for_the_counts(counted):
    counted[:, 0] += counted.sum(axis=1) == 0
    words, columns_bits = alias.words(counted)
    num_values = counted.shape[1]
    assert words.shape == (len(counted), 1 << columns_bits)
    expected = counted / counted.sum(axis=1, keepdims=True)
    found = shares(words, num_values)
    np.testing.assert_allclose(found[:, :num_values], expected, atol=1e-4)
    assert (found[:, :num_values][counted == 0] == 0).all()
    assert (found[:, num_values:] == 0).all()


@pytest.mark.parametrize("num_values", [1, 2, 5, 64, 300])
def test_draws_follow_the_counts(num_values, assert_frequencies):
    counted = np.random.default_rng(0).integers(0, 50, (1, num_values)) + (num_values == 1)
    words, columns_bits = alias.words(counted)
    random = jax.random.bits(jax.random.key(0), (50_000,), jnp.uint32)
    size = jnp.uint32(columns_bits)
    word = jnp.asarray(words)[0, alias.column(size, random)]
    drawn = alias.choose(word, size, random, alias.value_bits(num_values))
    assert_frequencies(np.bincount(np.asarray(drawn), minlength=num_values), counted[0])


def test_too_many_values_are_refused():
    with pytest.raises(ValueError, match="at most 4096"):
        alias.words(np.ones((1, alias.MAX_VALUES + 1), int))
