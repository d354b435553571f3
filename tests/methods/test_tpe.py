"""The tree-structured Parzen estimator: its draws, what is asked, and that it climbs."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax import methods, spaces
from pnag_jax.methods import archive as archives
from pnag_jax.methods import parzen, tpe

TPE = methods.get("tpe")
CHOICES = (3, 1, 2)


def draws(genotypes, values, seed=0, choices=CHOICES, m=400):
    arrays = np.asarray(genotypes, np.int32), np.asarray(values, np.float32), np.uint32(seed)
    return parzen.ranked_draws(*arrays, choices=choices, m=m)


# Ten are measured, the best tenth is the second; the last row is an empty slot.
GENOTYPES = [[0, 0, 0], [2, 0, 1], *[[1, 0, 0]] * 8, [-1, -1, -1]]
VALUES = [1.0, 9.0, *[0.0] * 8, -np.inf]


def test_draws_have_the_density_of_the_good():
    found = draws(GENOTYPES, VALUES, m=20_000)
    assert found.dtype == np.int32 and found.min(axis=0).tolist() == [0, 0, 0]
    assert found.max(axis=0).tolist() == [2, 0, 1]
    # One kernel at the best and one of the prior, of equal weight, each with half
    # a count of prior a value.  Gene 0 takes the best's value with 1.5 / 2.5 = 0.6
    # in the first, 1 / 3 in the second; gene 2 with 1.5 / 2 = 0.75 and 1 / 2.
    both = ((found[:, 0] == 2) & (found[:, 2] == 1)).mean()
    assert abs(both - (0.6 * 0.75 + 1 / 3 * 1 / 2) / 2) < 0.015


def test_the_most_promising_come_first():
    found = draws(GENOTYPES, VALUES)
    assert found[0].tolist() == [2, 0, 1] and found[-1].tolist() == [1, 0, 0]


def test_draws_are_those_of_their_seed():
    np.testing.assert_array_equal(draws(GENOTYPES, VALUES, 1), draws(GENOTYPES, VALUES, 1))
    assert (draws(GENOTYPES, VALUES, 1) != draws(GENOTYPES, VALUES, 2)).any()


def test_without_a_measurement_or_a_choice_there_is_nothing_to_draw():
    assert not draws(GENOTYPES, [np.nan] * 11, m=5).any()
    assert draws([[0, 0]], [1.0], choices=(1, 1), m=5).tolist() == [[0, 0]] * 5


def test_the_log_says_nothing(capfd):
    import optuna

    verbosity = optuna.logging.get_verbosity()
    draws(GENOTYPES, VALUES, m=5)
    assert capfd.readouterr().err == "" and optuna.logging.get_verbosity() == verbosity


# One space that is all valid, one of canonical forms alone, two with more to heed.
@pytest.mark.parametrize("name", ["darts", "gnn", "nb101", "nb201"])
def test_candidates_are_canonical(name):
    space = spaces.get(name)
    drawn = space.sample(jax.random.key(0), 30)
    archive = archives.empty(space, 30).insert(drawn, jnp.sin(drawn).sum(axis=-1))
    found = tpe.candidates(archive, jax.random.key(1), 50)
    np.testing.assert_array_equal(found, space.canonical(found))
    # Most can be asked for: gnn accepts canonical forms alone.  The estimator knows
    # nothing of two sources that must differ, or of edges that must not be too many.
    least = {"darts": 0.0, "nb101": 0.5}.get(name, 0.8)
    assert space.is_valid(found).mean() > least


def test_known_draws_do_not_stall_it(macro, hill, jitted):
    """Even the whole neighbourhood of the summit known, there is something new to ask."""
    summit = jnp.array([2, 1, 0, 2, 1, 0, 2, 1])
    known = jnp.concatenate([summit[None], macro.neighbours(summit)])
    state = TPE.init(jax.random.key(0), macro, {"budget": 64})
    ask, tell = jitted(TPE)
    state = tell(state, known, hill(known))
    asked, _ = ask(state, 8)
    assert not state.archive.contains(macro.canonical(asked)).any()
    # Uniform draws are 5.3 off on average.
    assert hill(asked).mean() > -4.5


def test_it_climbs_where_random_search_does_not(height_reached):
    assert max(height_reached("random", seed) for seed in range(3)) < -1
    assert np.mean([height_reached("tpe", seed) for seed in range(3)]) >= -2
