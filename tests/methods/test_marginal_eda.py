from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax.methods import archive as archives
from pnag_jax.methods.marginal_eda import METHOD, Settings, draw_genes, marginals, rank_weights

# Told in this order; ranks 1, 0, 2.
CELLS = [[0, 1, 2, 2, 2, 2, 2, 2], [1, 1, 2, 2, 2, 2, 2, 2], [1, 2, 2, 2, 2, 2, 2, 2]]
VALUES = [2.0, 3.0, 1.0]


@pytest.fixture
def archive(macro):
    return archives.empty(macro, 5).insert(CELLS, VALUES)


def test_weights_worked_out_by_hand(archive):
    # w = 1 / (0.01 * 3 + rank): 1 / 1.03, 1 / 0.03, 1 / 2.03, squared.
    expected = [0.942596, 1111.111111, 0.242665]
    weights = rank_weights(archive, flatness=0.01, power=2.0)
    np.testing.assert_allclose(weights[:3], expected, rtol=1e-5)
    assert not weights[3:].any()


def test_marginals_worked_out_by_hand(archive):
    found = marginals(archive, Settings())
    # Of a total weight of 1112.296372:
    # gene 0: value 0 has 0.942596, value 1 has 1111.111111 + 0.242665;
    # gene 1: value 1 has 0.942596 + 1111.111111, value 2 has 0.242665.
    shares = np.array([[0.00084743, 0.99915257, 0.0], [0.0, 0.99978183, 0.00021817]])
    np.testing.assert_allclose(found[:2], 0.98 * shares + 0.02 / 3, rtol=1e-4)
    np.testing.assert_allclose(found[2:], np.tile([0.02 / 3, 0.02 / 3, 0.98 + 0.02 / 3], (6, 1)))


def test_failures_and_empty_slots_have_no_weight(archive):
    with_failure = archive.insert([[0] * 8], [np.nan])
    found = marginals(with_failure, Settings())
    np.testing.assert_array_equal(found, marginals(archive, Settings()))
    nothing = marginals(archives.empty(archive.space, 5), Settings())
    assert np.isfinite(nothing).all()


def test_genes_are_drawn_with_their_probabilities():
    probabilities = jnp.array([[0.02, 0.9, 0.08], [0.5, 0.5, 0.0]])
    draws = 20_000
    genes = np.asarray(draw_genes(probabilities, jax.random.key(0), draws))
    for gene, expected in zip(genes.T, np.asarray(probabilities), strict=True):
        found = np.bincount(gene, minlength=3) / draws
        # Four standard deviations; a value of no probability never comes.
        assert (np.abs(found - expected) <= 4 * np.sqrt(expected / draws)).all()
    # Genes are independent: their joint frequency is the product.
    joint = ((genes[:, 0] == 1) & (genes[:, 1] == 0)).mean()
    assert abs(joint - 0.45) < 4 * np.sqrt(0.45 / draws)


def test_the_first_proposals_are_uniform_then_weighted(macro, jitted):
    ask, tell = jitted(METHOD)
    state = METHOD.init(jax.random.key(0), macro, {"budget": 64})
    first, state = ask(state, 16)
    # Sixteen uniform draws of eight genes: each value about 43 times of 128.
    assert np.bincount(np.asarray(first).ravel(), minlength=3).min() > 20
    # The more genes are 2 the better: the marginals move there.
    state = tell(state, first, (first == 2).sum(-1).astype(jnp.float32))
    second, _ = ask(state, 16)
    assert (np.asarray(second) == 2).mean() > (np.asarray(first) == 2).mean() + 0.15
