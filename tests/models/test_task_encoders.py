"""Sets have no order, empty ones say nothing, and what is masked does not count."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax.models.task_encoders import Attention, Examples, PairEncoder, Pairs, SetEncoder

ENCODER = SetEncoder(width=8, num_heads=2)
PAIRS = PairEncoder(width=8, num_heads=2)
APPLY, APPLY_PAIRS = jax.jit(ENCODER.apply), jax.jit(PAIRS.apply)


def drawn(seed: int, *shape: int) -> jax.Array:
    return jax.random.normal(jax.random.key(seed), shape)


@pytest.fixture(scope="module")
def of_set():
    examples = Examples(drawn(0, 4, 3), jnp.ones(4, bool))
    return jax.jit(ENCODER.init)(jax.random.key(1), examples), examples


@pytest.fixture(scope="module")
def of_pairs():
    pairs = Pairs(drawn(2, 3, 8), drawn(3, 3, 1), jnp.array([True, True, False]))
    asked = drawn(4, 5, 8)
    return jax.jit(PAIRS.init)(jax.random.key(5), asked, pairs), asked, pairs


def test_attention_by_hand():
    """Two equal keys of score 0 beside the one of nothing: a third of each value."""
    attention = Attention(width=2, num_heads=1)
    eye = jnp.eye(2)
    zero = jnp.zeros((2, 1, 2))
    params = {
        "query": {"kernel": zero},
        "key": {"kernel": zero},
        "value": {"kernel": eye[:, None]},
        "out": {"kernel": eye[None]},
    }
    values = jnp.array([[3.0, 0.0], [0.0, 6.0], [9.0, 9.0]])
    mask = jnp.array([True, True, False])
    found = attention.apply({"params": params}, values[:1], values, values, mask)
    np.testing.assert_allclose(found, [[1.0, 2.0]], rtol=1e-6)


def test_a_set_has_no_order(of_set):
    params, examples = of_set
    order = jnp.array([2, 0, 3, 1])
    turned = Examples(examples.features[order], examples.mask)
    expected = APPLY(params, examples)
    np.testing.assert_allclose(APPLY(params, turned), expected, atol=1e-5)


def test_what_is_masked_does_not_count_and_nothing_is_zero(of_set):
    params, examples = of_set
    three = Examples(examples.features[:3], examples.mask[:3])
    masked = Examples(examples.features.at[3].set(1e3), examples.mask.at[3].set(False))
    expected = APPLY(params, three)
    np.testing.assert_allclose(APPLY(params, masked), expected, atol=1e-5)
    none = Examples(examples.features, jnp.zeros(4, bool))
    np.testing.assert_array_equal(APPLY(params, none), np.zeros(8))


def test_row_numbers_of_a_table_are_its_rows(of_set):
    params, examples = of_set
    rows = Examples(jnp.array([3, 1]), jnp.ones(2, bool))
    direct = Examples(examples.features[jnp.array([3, 1])], jnp.ones(2, bool))
    found = APPLY(params, rows, examples.features)
    np.testing.assert_allclose(found, APPLY(params, direct), atol=1e-6)


def test_pairs_have_no_order_and_none_say_nothing(of_pairs):
    params, asked, pairs = of_pairs
    turned = jax.tree.map(lambda x: x[jnp.array([2, 1, 0])], pairs)
    expected = APPLY_PAIRS(params, asked, pairs)
    np.testing.assert_allclose(APPLY_PAIRS(params, asked, turned), expected, atol=1e-5)
    none = pairs._replace(mask=jnp.zeros(3, bool))
    np.testing.assert_array_equal(APPLY_PAIRS(params, asked, none), np.zeros((5, 8)))
