"""The nearest code by properties; the moving average of a codebook and its use, by hand."""

from __future__ import annotations

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax import codebook
from pnag_jax.codebook import (
    CodebookState,
    code_statistics,
    codebook_use,
    init_codebook,
    nearest_code,
    update_codebook,
)

nearest = jax.jit(nearest_code)


@pytest.fixture(scope="module")
def material():
    """Vectors ``[2, 3, 5, 5, 4]`` and a codebook of 7."""
    keys = jax.random.split(jax.random.key(0), 2)
    return jax.random.normal(keys[0], (2, 3, 5, 5, 4)), jax.random.normal(keys[1], (7, 4))


@hypothesis.settings(max_examples=60, deadline=None)
@hypothesis.given(
    channels=st.sampled_from([1, 3]),
    num_codes=st.sampled_from([1, 13, 40]),
    seed=st.integers(0, 9999),
)
def test_nearest_code_is_the_nearest_and_of_ties_the_lowest(channels, num_codes, seed):
    # Small integers: all distances are exact, and ties are frequent.
    generator = np.random.default_rng(seed)
    x = generator.integers(-3, 4, (4, 6, channels))
    codebook = generator.integers(-3, 4, (num_codes, channels))
    distance = ((x[..., None, :] - codebook) ** 2).sum(-1)
    found = nearest(np.float32(x), np.float32(codebook))
    assert found.dtype == jnp.int32
    np.testing.assert_array_equal(found, distance.argmin(-1))


@pytest.mark.parametrize("num_codes", [1, 5, 8, 33])
def test_of_duplicated_codes_the_first_one_wins(num_codes):
    codebook = jax.random.normal(jax.random.key(0), (num_codes, 3))
    x = jax.random.normal(jax.random.key(1), (500, 3))
    found = nearest(x, jnp.concatenate([codebook] * 3))
    np.testing.assert_array_equal(found, nearest(x, codebook))


def test_nearest_code_of_real_vectors(material):
    e, codebook = material
    distance = np.linalg.norm(np.asarray(e)[..., None, :] - np.asarray(codebook), axis=-1)
    found = nearest(e, codebook)
    assert found.shape == e.shape[:-1]
    np.testing.assert_array_equal(found, distance.argmin(-1))
    np.testing.assert_array_equal(nearest_code(e, codebook), found)
    rows = jax.vmap(nearest, in_axes=(0, None))(e, codebook)
    np.testing.assert_array_equal(rows, found)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_low_precision_vectors_get_their_nearest_code(dtype):
    # Distances themselves do not fit the dtype: 300^2 overflows float16.
    codebook = jnp.array([[300.0, 300.0], [304.0, 300.0], [300.0, 304.0]], dtype)
    assert nearest(codebook, codebook).tolist() == [0, 1, 2]


def test_what_accelerators_compute_is_what_a_cpu_computes(material):
    x, vectors = material
    codes = codebook._nearest_by_argmin(x, vectors)
    np.testing.assert_array_equal(codes, codebook._nearest_by_comparison(x, vectors))
    np.testing.assert_array_equal(codebook._look_up_by_product(vectors, codes), vectors[codes])


# -- moving averages ---------------------------------------------------------------


def test_code_statistics_by_hand():
    x = jnp.array([[1.0, 0.0], [3.0, 0.0], [0.0, 5.0]])
    counts, sums = code_statistics(x, jnp.array([2, 2, 0]), 3)
    assert counts.tolist() == [1, 0, 2]
    assert sums.tolist() == [[0, 5], [0, 0], [4, 0]]


def test_moving_average_step_by_hand():
    state = CodebookState(
        codebook=jnp.array([[2.0], [4.0]]),
        counts=jnp.array([1.0, 2.0]),
        sums=jnp.array([[2.0], [8.0]]),
    )
    after = update_codebook(
        state,
        jnp.array([3.0, 0.0]),
        jnp.array([[0.0], [0.0]]),
        jnp.array([[9.0], [9.0]]),
        decay=0.5,
    )
    # Counts (1 + 3) / 2 and (2 + 0) / 2; sums (2 + 0) / 2 and (8 + 0) / 2.
    assert after.counts.tolist() == [2, 1]
    assert after.sums.tolist() == [[1], [4]]
    assert after.codebook.tolist() == [[0.5], [4]]


def test_a_code_that_dies_is_revived_and_lives_on():
    state = CodebookState(
        codebook=jnp.array([[2.0], [4.0]]),
        counts=jnp.array([1.0, 0.03]),
        sums=jnp.array([[2.0], [0.12]]),
    )
    counts, sums = jnp.array([1.0, 0.0]), jnp.array([[2.0], [0.0]])
    after = update_codebook(state, counts, sums, jnp.array([[7.0], [9.0]]), decay=0.9)
    # 0.9 * 0.03 < 0.03: the second code moves to its candidate, the first stays.
    np.testing.assert_allclose(after.codebook, [[2], [9]], rtol=1e-6)
    np.testing.assert_allclose(after.counts, [1, 1], rtol=1e-6)
    again = update_codebook(after, counts, sums, jnp.array([[7.0], [7.0]]), decay=0.9)
    np.testing.assert_allclose(again.codebook, [[2], [9]], rtol=1e-6)


def test_without_revival_what_is_dead_stays_in_its_place():
    # The second count is what is left of it after thousands of steps.
    state = CodebookState(
        codebook=jnp.array([[2.0], [3.0]]),
        counts=jnp.array([0.01, 0.0]),
        sums=jnp.array([[0.02], [0.0]]),
    )
    unused, nothing, elsewhere = jnp.zeros(2), jnp.zeros((2, 1)), jnp.full((2, 1), 9.0)
    after = update_codebook(state, unused, nothing, elsewhere, decay=0.9, revives=False)
    np.testing.assert_allclose(after.codebook, [[2], [3]], rtol=1e-6)
    np.testing.assert_allclose(after.counts, [0.009, 0], rtol=1e-6)


def test_a_high_threshold_leaves_a_revived_code_time():
    state = CodebookState(jnp.array([[2.0]]), jnp.array([8.0]), jnp.array([[16.0]]))
    unused, nothing = jnp.zeros(1), jnp.zeros((1, 1))
    after = update_codebook(state, unused, nothing, jnp.array([[9.0]]), dead_below=10.0)
    assert after.counts.tolist() == [20.0] and after.codebook.tolist() == [[9.0]]
    again = update_codebook(after, unused, nothing, jnp.array([[7.0]]), dead_below=10.0)
    np.testing.assert_allclose(again.codebook, [[9]], rtol=1e-6)


def test_a_codebook_in_balance_stays_where_it_is():
    state = init_codebook(jax.random.key(0), 5, 3)
    assert state.codebook.shape == (5, 3) and state.counts.tolist() == [1] * 5
    after = update_codebook(state, jnp.ones(5), state.codebook, jnp.zeros((5, 3)))
    np.testing.assert_allclose(after.codebook, state.codebook, rtol=1e-6)


@pytest.mark.parametrize("num_codes", [1, 7, 64])
def test_perplexity_of_even_use_is_the_number_of_codes(num_codes):
    use, perplexity = codebook_use(jnp.full(num_codes, 3.0))
    assert use == 1
    np.testing.assert_allclose(perplexity, num_codes, rtol=1e-5)


def test_codebook_use_of_few_codes():
    use, perplexity = codebook_use(jnp.array([4.0, 0, 0, 0]))
    assert (float(use), float(perplexity)) == (0.25, 1.0)
    use, perplexity = codebook_use(jnp.zeros(4))
    assert (float(use), float(perplexity)) == (0.0, 1.0)
    # Shares 1/2, 1/4, 1/4: entropy 1.5 bits.
    np.testing.assert_allclose(codebook_use(jnp.array([2.0, 1, 1, 0]))[1], 2**1.5, rtol=1e-5)
