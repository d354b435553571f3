"""The search that fits, generates and chooses: what a round learns and rates."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax import methods
from pnag_jax.errors import UsageError
from pnag_jax.methods import pnag

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
    asked, _ = ask(state, 2)
    usual = hill(macro.sample(jax.random.key(3), 500))
    assert hill(asked).mean() > usual.mean() + usual.std()


def test_it_tells_what_it_expected_and_how_far_it_was_followed(state, jitted):
    ask, _ = jitted(PNAG)
    count = int(state.archive.count)
    _, asked = ask(state, 2)
    expected, steered = (np.asarray(column) for column in PNAG.trace(asked))
    assert np.flatnonzero(~np.isnan(expected)).tolist() == [count, count + 1]
    # Of the round, not of the query.
    assert np.isfinite(steered[count]) and steered[count] == steered[count + 1]


def test_how_far_generation_follows_is_in_deviations_of_uniform_draws():
    found = pnag._steered(jnp.array([3.0, 5.0]), jnp.array([0.0, 2.0]))
    assert float(found) == 3


@pytest.mark.parametrize("given", [8, 3])
def test_it_begins_with_what_it_is_given(given, jitted, macro, hill, quick_config):
    start = 1 + np.eye(8, dtype=int)[:given]
    fields = quick_config("pnag", budget=40, start=start)
    state = PNAG.init(jax.random.key(0), macro, fields)
    ask, tell = jitted(PNAG)
    asked = []
    for _ in range(4):
        genotypes, state = ask(state, 2)
        state = tell(state, genotypes, hill(genotypes))
        asked += genotypes.tolist()
    known = min(given, fields.get("initial", 6))
    assert asked[:known] == start[:known].tolist()
    assert len({tuple(genotype) for genotype in asked}) == 8
    # Six are measured before the surrogate chooses: uniform draws complete them.
    assert all(tuple(genotype) not in map(tuple, start) for genotype in asked[known:6])


def test_a_start_of_another_space_is_refused(macro, quick_config):
    with pytest.raises(UsageError, match=r"config\.start holds what is no genotype of space macro"):
        PNAG.init(jax.random.key(0), macro, quick_config("pnag", start=np.full((2, 8), 3)))
