"""Parts of the searcher by hand, and what it knows without measuring."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax.errors import UsageError
from pnag_jax.methods import hints
from pnag_jax.methods.several import features, models, pnag_front
from pnag_jax.methods.several.base import Known
from pnag_jax.objectives import scalarization
from tests.methods.several.landscape import MACRO, measure


@pytest.fixture(scope="module")
def state(searched):
    return searched("pnag_front")[0]


@pytest.fixture(scope="module")
def fitted(state):
    return jax.jit(models.fit, static_argnums=(1, 2, 3))(state, 0.1, 12.0, 1.0)


def test_scores_lie_on_lines_between_what_was_measured():
    values = jnp.array([[4.0], [0.0], [2.0], [9.0]])
    scores = jnp.array([[1.0], [-1.0], [0.5], [7.0]])
    lines = models.lines(values, scores, jnp.array([True, True, True, False]))
    found = lines(jnp.array([0.0, 1.0, 3.0, 4.0, 6.0, -2.0]), 0)
    np.testing.assert_allclose(found, [-1.0, -0.25, 0.75, 1.0, 2.0, -2.0], rtol=1e-6)


def test_the_measured_front_spans_the_scaled_scores(state, fitted):
    scaled = np.asarray(fitted.scaled(fitted.scores))[:, :2]
    met = np.asarray(state.violation()) == 0
    assert scaled[met].max(axis=0) == pytest.approx([1.0, 1.0])
    # A slack of 0 has a scaled score of 0: six twos are just met.
    slack = np.asarray(fitted.scaled(fitted.scores))[:, 2]
    np.testing.assert_array_equal(slack >= -1e-6, np.asarray(state.values)[:, 2] >= 0)


@pytest.mark.parametrize(
    ("slacks", "low"),
    [
        # Best in one each: (1.5, -1) and (0, 1.2), with a tenth of the span below.
        ([1.0, 1.0], [-0.1, -1.2]),
        # The first is not allowed: the worst of the second objective stays the front's.
        ([-1.0, 1.0], [-0.1, 0.45]),
        ([-1.0, -1.0], [0.45, 0.45]),
    ],
)
def test_the_reference_point_lies_below_the_extremes_that_are_believed_in(fitted, slacks, low):
    # A measured front from (0.5, 1) to (1, 0.5), and a slack whose scores are its own.
    front = fitted._replace(
        low=jnp.array([0.45, 0.45, 0.0]), span=jnp.array([0.55, 0.55, 1.0]), margin=0.1
    )
    mean = jnp.stack([jnp.array([1.5, 0.0]), jnp.array([-1.0, 1.2]), jnp.array(slacks)], axis=1)
    found = models.widened(front, models.Rated(mean, jnp.zeros((2, 3)), None), 2)
    np.testing.assert_allclose(found.low[:2], low, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose((found.low + found.span)[:2], [1.0, 1.0], rtol=1e-6)
    assert (found.low[2], found.span[2]) == (0.0, 1.0)


def test_a_hint_is_what_processes_of_quality_begin_with(state, fitted):
    genotypes = MACRO.sample(jax.random.key(4), 64)
    # What the hint says is the second objective; it is thought to be of the first.
    hint = hints.fit(MACRO, genotypes, measure(genotypes)[:, 1])
    problem = state.problem._replace(qualities=(0,))
    told = dataclasses.replace(state, hint=hint, problem=problem)

    @jax.jit
    def compared(genotypes):
        hinted = models.fit(told, 0.1, 12.0)
        of = features.embed(MACRO.folded, genotypes)
        plain, rated = (
            models.rate(state, fitted, genotypes, of),
            models.rate(told, hinted, genotypes, of),
        )
        return plain.mean, rated, hinted.trends[0].at(told.form(genotypes))

    plain, rated, begun = compared(genotypes)
    np.testing.assert_allclose(rated.mean[:, 0], rated.prediction.mean[0] + begun, rtol=1e-5)
    np.testing.assert_allclose(rated.mean[:, 1:], plain[:, 1:], rtol=1e-4, atol=1e-4)
    # The measurements say the opposite of it, and are believed.
    assert np.corrcoef(rated.mean[:, 0], measure(genotypes)[:, 0])[0, 1] > 0.8


def test_a_hint_that_is_not_trusted_or_of_nothing_is_left_out(state):
    hint = hints.Hint(jnp.zeros(1), jnp.zeros(()))
    given = {"generator": state.generator, "hint": hint}
    used = pnag_front.init(jax.random.key(0), MACRO, given | {"qualities": [1]})
    assert used.hint is hint and used.settings.initial == 8
    for config in (given, given | {"qualities": [1], "trust": 0}):
        unused = pnag_front.init(jax.random.key(0), MACRO, config)
        assert unused.hint is None and unused.settings.initial == 16
    with pytest.raises(UsageError, match=r"qualities \(2,\); accepted are 0 .. 1"):
        pnag_front.init(jax.random.key(0), MACRO, given | {"qualities": [2]})


def test_a_cautious_process_is_less_sure(state, fitted):
    cautious = jax.jit(models.fit, static_argnums=(1, 2, 3))(state, 0.1, 12.0, 2.0)
    np.testing.assert_allclose(
        cautious.posterior.variance, 4 * fitted.posterior.variance, rtol=1e-5
    )


def test_what_violates_a_constraint_reaches_nowhere(state):
    along = jnp.array([[0.6, 0.8]])
    scaled = jnp.array([[0.6, 0.8, 0.1], [0.6, 0.8, -0.1]])
    np.testing.assert_allclose(pnag_front.reach(state, scaled, along), [[1.0], [0.0]], rtol=1e-6)


def test_a_batch_is_chosen_for_what_its_members_add_to_each_other(state):
    # The first two reach far along the same axis, the third a little along the other.
    scaled = jnp.array([[[0.9, 0.1, 1.0], [0.9, 0.1, 1.0], [0.1, 0.5, 1.0]]])
    axes = jnp.array([[0.999, 0.04], [0.04, 0.999]])
    chosen = pnag_front.choose(state, scaled, jnp.zeros(2), axes, 2)
    assert chosen.tolist() == [0, 2]


@pytest.fixture(scope="module")
def rated(state, fitted):
    """Four architectures as they are predicted, with the FLOPs known, and drawn."""
    genotypes = MACRO.sample(jax.random.key(3), 4)
    known = (None, Known("flops", -1.0, 0.0), None)
    told = dataclasses.replace(state, problem=state.problem._replace(known=known))

    @jax.jit
    def everything(genotypes):
        of = features.embed(MACRO.folded, genotypes)
        plain = models.rate(state, fitted, genotypes, of)
        exact = models.rate(told, fitted, genotypes, of)
        drawn = models.joint_draws(jax.random.key(6), fitted, exact, of, 20_000)
        return plain, exact, drawn, fitted.lines(-MACRO.flops(genotypes), 1)

    return everything(genotypes)


def test_known_columns_are_predicted_exactly(rated):
    plain, exact, _, expected = rated
    assert (plain.deviation > 0).all()
    assert (exact.deviation[:, 1] == 0).all()
    np.testing.assert_allclose(exact.mean[:, 1], expected, rtol=1e-5)
    np.testing.assert_array_equal(exact.mean[:, 0], plain.mean[:, 0])


def test_joint_draws_have_the_moments_of_the_prediction(rated, fitted):
    _, exact, drawn, _ = rated
    # FLOPs are large numbers: their mean is rounded in float32.
    drawn = np.asarray(drawn, np.float64)
    mean, deviation = fitted.scaled(exact.mean), exact.deviation / fitted.span
    error = 5 * np.asarray(deviation).max() / np.sqrt(20_000) + 2e-3
    np.testing.assert_allclose(drawn.mean(axis=0), mean, rtol=1e-5, atol=error)
    np.testing.assert_allclose(drawn.std(axis=0), deviation, rtol=0.05, atol=0.02)


def test_preferences_steer_the_directions_of_the_search():
    drawn = scalarization.directions(jax.random.key(0), 64, jnp.array([0.05, 0.95]), 2)
    assert (drawn[:, 1] > drawn[:, 0]).all()
