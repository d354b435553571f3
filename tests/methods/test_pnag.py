"""The search that fits, generates and chooses: what a round learns and rates."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from pnag_jax import methods

PNAG = methods.get("pnag")


@pytest.fixture
def state(macro, hill, quick_config):
    drawn = macro.sample(jax.random.key(1), 30)
    begun = PNAG.init(jax.random.key(0), macro, quick_config("pnag", budget=40))
    return PNAG.tell(begun, drawn, hill(drawn))


def test_a_round_goes_on_with_what_the_last_one_learned(state, jitted):
    ask, _ = jitted(PNAG)
    _, once = ask(state, 2)
    _, twice = ask(once, 2)
    weights = [np.asarray(s.relevant.weights()) for s in (state, once, twice)]
    assert (weights[0] == weights[0][0]).all()
    assert np.abs(weights[1] - weights[0]).max() > 0.01
    assert np.abs(weights[2] - weights[1]).max() > 0.01


def test_what_is_asked_promises_more_than_chance(state, jitted, macro, hill):
    ask, _ = jitted(PNAG)
    asked, _ = ask(state, 4)
    usual = hill(macro.sample(jax.random.key(3), 500))
    assert hill(asked).mean() > usual.mean() + usual.std()
