"""Convolution and pooling with the batch last, beside flax's with channels last."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from pnag_jax.networks import batch_last, layers


@pytest.fixture(scope="module")
def images():
    return jax.random.normal(jax.random.key(0), (2, 6, 5, 3))


@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (3, 1), (3, 2), (5, 1)])
def test_a_product_of_columns_is_a_convolution(images, kernel, stride):
    weights = jax.random.normal(jax.random.key(1), (kernel, kernel, 3, 4))
    conv = layers.conv(4, kernel, stride)
    expected = conv.apply({"params": {"kernel": weights}}, images)
    seen = batch_last.columns(batch_last.from_images(images), kernel, stride)
    found = batch_last.product(weights, seen)
    np.testing.assert_allclose(found, batch_last.from_images(expected), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("size", "stride"), [(3, 1), (2, 2)])
def test_pooling(images, size, stride):
    expected = layers.avg_pool(images, size, stride)
    found = batch_last.avg_pool(batch_last.from_images(images), size, stride)
    np.testing.assert_allclose(found, batch_last.from_images(expected), rtol=1e-5, atol=1e-6)
