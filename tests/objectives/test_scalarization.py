"""Scalarizations by hand, and against the exact hypervolume."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import moocore
import numpy as np
import pytest

from pnag_jax.objectives import scalarization


def test_chebyshev_by_hand():
    values = jnp.array([[1.0, 0.0], [0.5, 0.5]])
    weights = jnp.array([0.75, 0.25])
    # Distances from (1, 1): 0 and 0.25; 0.375 and 0.125.
    found = scalarization.chebyshev(values, jnp.ones(2), weights, rho=0.1)
    np.testing.assert_allclose(found, [-(0.25 + 0.025), -(0.375 + 0.05)], rtol=1e-6)


def test_chebyshev_prefers_what_dominates_where_the_worst_distance_is_the_same():
    values = jnp.array([[0.5, 0.5], [0.5, 0.9]])
    found = scalarization.chebyshev(values, jnp.ones(2), jnp.array([0.5, 0.5]))
    assert found[1] > found[0]


def test_reach_by_hand():
    # Along (0.6, 0.8) the point (0.3, 0.8) reaches 0.5, (0.6, 0.4) as far.
    points = jnp.array([[0.3, 0.8], [0.6, 0.4], [-0.1, 2.0]])
    found = scalarization.reach(points, jnp.array([[0.6, 0.8]]))
    np.testing.assert_allclose(found, [[0.25], [0.25], [0.0]], rtol=1e-6)


@pytest.mark.parametrize("objectives", [2, 3])
def test_the_mean_reach_is_the_hypervolume(objectives):
    points = np.random.default_rng(0).uniform(0.2, 1.0, (6, objectives)).astype(np.float32)
    directions = scalarization.directions(jax.random.key(0), 200_000, None, objectives)
    far = scalarization.reach(points, directions).max(axis=0).mean()
    exact = moocore.hypervolume(points, ref=np.zeros(objectives), maximise=True)
    # 200,000 directions: one standard error is 0.1 %.
    assert scalarization.volume_factor(objectives) * float(far) == pytest.approx(exact, rel=0.01)


def test_directions_are_positive_unit_vectors_and_follow_a_preference():
    everywhere = scalarization.directions(jax.random.key(0), 512, None, 2)
    wanted = scalarization.directions(jax.random.key(0), 512, jnp.array([0.9, 0.1]), 2)
    for drawn in (everywhere, wanted):
        np.testing.assert_allclose(jnp.linalg.norm(drawn, axis=1), 1.0, rtol=1e-5)
        assert drawn.min() > 0
    assert everywhere.mean(axis=0)[0] == pytest.approx(2 / np.pi, abs=0.03)
    assert (wanted[:, 0] > wanted[:, 1]).all()
