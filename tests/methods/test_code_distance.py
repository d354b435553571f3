"""Distances between code strings against a loop over their definition."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax import spaces
from pnag_jax.methods import code_distance, pnag_counts
from pnag_jax.models import stage1


@pytest.fixture(scope="module", params=["gnn", "macro"])
def generator(request):
    return pnag_counts.default_generator(spaces.get(request.param))


def by_definition(by, left, right) -> float:
    differ = sum(w for p, w in zip(by.positions, by.weights, strict=True) if left[p] != right[p])
    counts = [np.bincount(codes[by.counted], minlength=by.num_values) for codes in (left, right)]
    return differ + by.count_weight * ((counts[0] - counts[1]) ** 2).sum()


def test_distances_follow_the_definition(generator):
    by = code_distance.measure(generator)
    codes = generator.codes[:300]  # more than one chunk
    found = np.asarray(code_distance.squared(by, jnp.asarray(codes), jnp.asarray(codes[:5])))
    assert found.shape == (300, 5)
    for i in range(0, 300, 17):
        for j in range(5):
            np.testing.assert_allclose(
                found[i, j], by_definition(by, codes[i], codes[j]), atol=1e-4
            )
    np.testing.assert_allclose(np.diag(found), 0, atol=1e-6)


def test_distances_are_one_on_average(generator):
    by = code_distance.measure(generator)
    half = len(generator.codes) // 2
    left, right = (jnp.asarray(generator.codes[rows]) for rows in (slice(half), slice(half, None)))
    assert 0.8 < float(code_distance.squared(by, left, right).mean()) < 1.2


def test_every_part_counts_the_same(generator):
    by = code_distance.measure(generator)
    scale, row, column = stage1.upper_positions(generator.model.scales)[by.positions].T
    weights = by.weights
    finest, single = scale == scale.max(), row == column
    codes = generator.codes
    apart = codes[:-1][:, by.positions] != codes[1:][:, by.positions]
    parts = [
        float((apart[:, group] @ weights[group]).mean())
        for group in (finest & single, ~finest & single, finest & ~single)
    ]
    np.testing.assert_allclose(parts, 0.25, atol=0.05)
