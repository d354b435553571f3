"""The moving average of a codebook and its use, by hand."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax import quantization as q


def test_code_statistics_by_hand():
    x = jnp.array([[1.0, 0.0], [3.0, 0.0], [0.0, 5.0]])
    counts, sums = q.code_statistics(x, jnp.array([2, 2, 0]), 3)
    assert counts.tolist() == [1, 0, 2]
    assert sums.tolist() == [[0, 5], [0, 0], [4, 0]]


def test_moving_average_step_by_hand():
    state = q.CodebookState(
        codebook=jnp.array([[2.0], [4.0]]),
        counts=jnp.array([1.0, 2.0]),
        sums=jnp.array([[2.0], [8.0]]),
    )
    after = q.update_codebook(
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
    state = q.CodebookState(
        codebook=jnp.array([[2.0], [4.0]]),
        counts=jnp.array([1.0, 0.03]),
        sums=jnp.array([[2.0], [0.12]]),
    )
    counts, sums = jnp.array([1.0, 0.0]), jnp.array([[2.0], [0.0]])
    after = q.update_codebook(state, counts, sums, jnp.array([[7.0], [9.0]]), decay=0.9)
    # 0.9 * 0.03 < 0.03: the second code moves to its candidate, the first stays.
    np.testing.assert_allclose(after.codebook, [[2], [9]], rtol=1e-6)
    np.testing.assert_allclose(after.counts, [1, 1], rtol=1e-6)
    again = q.update_codebook(after, counts, sums, jnp.array([[7.0], [7.0]]), decay=0.9)
    np.testing.assert_allclose(again.codebook, [[2], [9]], rtol=1e-6)


def test_without_revival_what_is_dead_stays_in_its_place():
    # The second count is what is left of it after thousands of steps.
    state = q.CodebookState(
        codebook=jnp.array([[2.0], [3.0]]),
        counts=jnp.array([0.01, 0.0]),
        sums=jnp.array([[0.02], [0.0]]),
    )
    unused, nothing, elsewhere = jnp.zeros(2), jnp.zeros((2, 1)), jnp.full((2, 1), 9.0)
    after = q.update_codebook(state, unused, nothing, elsewhere, decay=0.9, revives=False)
    np.testing.assert_allclose(after.codebook, [[2], [3]], rtol=1e-6)
    np.testing.assert_allclose(after.counts, [0.009, 0], rtol=1e-6)


def test_a_high_threshold_leaves_a_revived_code_time():
    state = q.CodebookState(jnp.array([[2.0]]), jnp.array([8.0]), jnp.array([[16.0]]))
    unused, nothing = jnp.zeros(1), jnp.zeros((1, 1))
    after = q.update_codebook(state, unused, nothing, jnp.array([[9.0]]), dead_below=10.0)
    assert after.counts.tolist() == [20.0] and after.codebook.tolist() == [[9.0]]
    again = q.update_codebook(after, unused, nothing, jnp.array([[7.0]]), dead_below=10.0)
    np.testing.assert_allclose(again.codebook, [[9]], rtol=1e-6)


def test_a_codebook_in_balance_stays_where_it_is():
    state = q.init_codebook(jax.random.key(0), 5, 3)
    assert state.codebook.shape == (5, 3) and state.counts.tolist() == [1] * 5
    after = q.update_codebook(state, jnp.ones(5), state.codebook, jnp.zeros((5, 3)))
    np.testing.assert_allclose(after.codebook, state.codebook, rtol=1e-6)


@pytest.mark.parametrize("num_codes", [1, 7, 64])
def test_perplexity_of_even_use_is_the_number_of_codes(num_codes):
    use, perplexity = q.codebook_use(jnp.full(num_codes, 3.0))
    assert use == 1
    np.testing.assert_allclose(perplexity, num_codes, rtol=1e-5)


def test_codebook_use_of_few_codes():
    use, perplexity = q.codebook_use(jnp.array([4.0, 0, 0, 0]))
    assert (float(use), float(perplexity)) == (0.25, 1.0)
    use, perplexity = q.codebook_use(jnp.zeros(4))
    assert (float(use), float(perplexity)) == (0.0, 1.0)
    # Shares 1/2, 1/4, 1/4: entropy 1.5 bits.
    np.testing.assert_allclose(q.codebook_use(jnp.array([2.0, 1, 1, 0]))[1], 2**1.5, rtol=1e-5)
