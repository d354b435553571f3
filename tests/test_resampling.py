"""Pooling and expansion of maps against plain loops."""

from __future__ import annotations

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax import resampling
from tests.plain_resizing import expanded_by_loop, pooled_by_loop

# Every new shape is compiled, hence few examples.
some_sizes = hypothesis.settings(max_examples=15, deadline=None)


@some_sizes
@hypothesis.given(size=st.integers(1, 13), n=st.integers(1, 13), seed=st.integers(0, 99))
def test_region_average_is_adaptive_average_pooling(size, n, seed):
    x = np.random.default_rng(seed).normal(size=(size, size, 2)).astype(np.float32)
    pooled = resampling.region_average(jnp.asarray(x), n)
    np.testing.assert_allclose(pooled, pooled_by_loop(x, n), rtol=1e-5, atol=1e-6)


@some_sizes
@hypothesis.given(n=st.integers(1, 13), size=st.integers(1, 13), seed=st.integers(0, 99))
def test_expand_is_bilinear_at_half_pixel_centres(n, size, seed):
    x = np.random.default_rng(seed).normal(size=(n, n, 2)).astype(np.float32)
    expanded = resampling.expand(jnp.asarray(x), size)
    np.testing.assert_allclose(expanded, expanded_by_loop(x, size), rtol=1e-5, atol=1e-6)


def test_regions_that_overlap_share_their_cells():
    # Five cells on three: 0-1, 1-3 and 3-4.
    matrix = resampling.pooling_matrix(5, 3)
    np.testing.assert_allclose(matrix[0], [1 / 2, 1 / 2, 0, 0, 0])
    np.testing.assert_allclose(matrix[1], [0, 1 / 3, 1 / 3, 1 / 3, 0])
    np.testing.assert_allclose(matrix[2], [0, 0, 0, 1 / 2, 1 / 2])


@pytest.mark.parametrize("n", [1, 2, 3, 5, 6])
def test_averaging_and_expanding_keep_a_constant_map(n):
    constant = jnp.full((5, 5, 1), 0.7)
    np.testing.assert_allclose(
        resampling.expand(resampling.region_average(constant, n), 5), 0.7, rtol=1e-6
    )


def test_a_map_of_its_own_size_is_returned_bit_for_bit():
    x = jax.random.normal(jax.random.key(0), (5, 5, 3))
    assert (resampling.region_average(x, 5) == x).all() and (resampling.expand(x, 5) == x).all()


@pytest.mark.parametrize("resize", [resampling.region_average, resampling.expand])
@pytest.mark.parametrize("batch", [(), (2,), (2, 3)])
def test_resizing_takes_leading_axes_and_vmaps(resize, batch):
    resize = jax.jit(resize, static_argnums=1)
    x = jax.random.normal(jax.random.key(0), (*batch, 5, 5, 4))
    whole = resize(x, 3)
    assert whole.shape == (*batch, 3, 3, 4)
    for index in np.ndindex(*batch):
        np.testing.assert_allclose(whole[index], resize(x[index], 3), atol=1e-6)
    if batch:
        np.testing.assert_allclose(jax.vmap(lambda y: resize(y, 3))(x), whole, atol=1e-6)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_resizing_rounds_low_precision_once(dtype):
    x = jax.random.normal(jax.random.key(0), (7, 7, 3)).astype(dtype)
    wide = x.astype("float32")
    for resize in (resampling.region_average, resampling.expand):
        narrow = resize(x, 3)
        assert narrow.dtype == dtype
        assert (narrow == resize(wide, 3).astype(dtype)).all()


@pytest.mark.parametrize(
    "matrix", [resampling.pooling_matrix(5, 3), resampling.interpolation_matrix(5, 8)]
)
def test_what_accelerators_compute_is_what_a_cpu_computes(matrix):
    x = jax.random.normal(jax.random.key(0), (2, 3, 5, 5, 4))
    expected = resampling._one_by_one(matrix, x)
    np.testing.assert_allclose(resampling._at_once(matrix, x), expected, rtol=1e-5, atol=1e-6)
