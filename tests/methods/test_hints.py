"""Hints from scores of some architectures, and how far measurements follow them."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from pnag_jax import methods
from pnag_jax.errors import UsageError
from pnag_jax.methods import hints, path_features

PNAG = methods.get("pnag")


@pytest.fixture(scope="module")
def drawn(macro):
    return np.asarray(macro.sample(jax.random.key(5), 256))


@pytest.fixture(scope="module")
def hint(macro, hill, drawn) -> hints.Hint:
    return hints.fit(macro, drawn, np.asarray(hill(drawn)))


def features(space, genotypes) -> jax.Array:
    return path_features.embed(space, space.canonical(genotypes))


def test_scores_of_some_tell_of_all(hint, macro, hill):
    others = macro.sample(jax.random.key(6), 500)
    said = np.asarray(hint.scores(features(macro, others)))
    assert stats.spearmanr(said, hill(others))[0] > 0.8
    # Normal scores among uniform draws.
    assert abs(said.mean()) < 0.15 and said.std() == pytest.approx(1, abs=0.2)


def test_the_order_of_scores_is_all_that_counts(hint, macro, hill, drawn):
    scores = np.exp(np.asarray(hill(drawn), np.float64))
    scores[scores == scores.min()] = -np.inf
    again = hints.fit(macro, drawn, scores)
    np.testing.assert_allclose(again.slope, hint.slope, rtol=1e-4, atol=1e-5)


def test_what_has_no_score_is_left_out(hint, macro, hill, drawn):
    more = np.concatenate([drawn, np.asarray(macro.sample(jax.random.key(7), 20))])
    scores = np.concatenate([np.asarray(hill(drawn)), np.full(20, np.nan)])
    np.testing.assert_allclose(hints.fit(macro, more, scores).slope, hint.slope, rtol=1e-5)


@pytest.mark.parametrize("scores", [np.full(256, 3.0), np.r_[1.0, 2.0, np.full(254, np.nan)]])
def test_scores_that_say_nothing_are_refused(macro, drawn, scores):
    with pytest.raises(UsageError, match="at least 8 scores that are not all the same"):
        hints.fit(macro, drawn, scores)


def test_a_trend_by_hand():
    # The hint is the feature; of three measured slots 2 targets for one of the hint.
    hint = hints.Hint(jnp.ones(1), jnp.zeros(()))
    slots = jnp.array([[-1.0], [0.0], [1.0], [9.0]])
    targets, measured = jnp.array([-2.0, 0.0, 2.0, 0.0]), jnp.array([True, True, True, False])
    found = hints.trend(hint, slots, targets, measured, trust=4.0)
    assert float(found.slope) == pytest.approx((hints.USUAL * 4 + 4) / (4 + 2))
    assert float(found.level) == pytest.approx(0)
    np.testing.assert_allclose(found.at(jnp.array([[3.0]])), 3 * found.slope)


def test_nothing_measured_leaves_what_scores_are_usually_worth(hint, macro):
    empty = jnp.zeros((5, path_features.width(macro)))
    found = hints.trend(hint, empty, jnp.zeros(5), jnp.zeros(5, bool), trust=4.0)
    assert float(found.slope) == pytest.approx(hints.USUAL)


def test_a_hint_that_is_not_trusted_changes_nothing(hint, macro, quick_config):
    plain, ignored, trusted = (
        PNAG.init(jax.random.key(0), macro, quick_config("pnag", budget=32, **fields))
        for fields in ({"trust": 0.0}, {"trust": 0.0, "hint": hint}, {"hint": hint})
    )
    assert jax.tree.structure(plain) == jax.tree.structure(ignored)
    assert plain.settings == ignored.settings
    # What is known needs no draws to be found out.
    assert trusted.hint is hint and trusted.settings.initial < plain.settings.initial


def test_a_good_hint_finds_soon_and_a_bad_one_is_overcome(
    hint, macro, hill, jitted, quick_config, drawn
):
    ask, tell = jitted(PNAG)
    bad = hints.fit(macro, drawn, -np.asarray(hill(drawn)))
    good = np.quantile(hill(macro.sample(jax.random.key(1), 1000)), 0.98)
    for given, queries in ((hint, 6), (bad, 32)):
        fields = quick_config("pnag", budget=32, hint=given)
        state = PNAG.init(jax.random.key(0), macro, fields)
        for _ in range(queries // 2):
            genotypes, state = ask(state, 2)
            state = tell(state, genotypes, hill(genotypes))
        assert state.archive.best()[1] > good
