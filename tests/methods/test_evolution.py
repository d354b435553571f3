from __future__ import annotations

import jax
import numpy as np
import pytest

from pnag_jax.methods import evolution

PARENT = np.array([2, 1, 0, 2, 1, 0, 2, 1])


# With 64 draws a tournament of three misses the fittest once in (3 / 2)^64.
CONFIG = {"budget": 64, "population": 3, "sample": 64}


def begin(space, **config):
    return evolution.init(jax.random.key(0), space, {**CONFIG, **config})


@pytest.fixture
def ask(jitted):
    return jitted(evolution.METHOD)[0]


def test_the_oldest_dies_however_good(macro):
    members = np.eye(5, 8, dtype=np.int32)
    state = begin(macro)
    state = evolution.tell(state, members[:3], np.array([9.0, 1.0, 2.0]))
    assert state.population.fitness.tolist() == [9.0, 1.0, 2.0]
    state = evolution.tell(state, members[3:4], np.array([0.0]))
    assert state.population.fitness.tolist() == [0.0, 1.0, 2.0]
    state = evolution.tell(state, members[4:5], np.array([5.0]))
    assert state.population.fitness.tolist() == [0.0, 5.0, 2.0]
    assert state.population.members.tolist() == members[[3, 4, 2]].tolist()
    assert state.population.births == 5 and state.archive.best()[1] == 9.0


def test_of_more_children_than_members_the_youngest_live(macro):
    state = evolution.tell(
        begin(macro, population=2),
        np.eye(5, 8, dtype=np.int32),
        np.array([1.0, 2.0, 3.0, 4.0, 5.0]),
    )
    assert sorted(state.population.fitness.tolist()) == [4.0, 5.0]


def test_a_child_without_a_value_is_never_born(macro):
    state = evolution.tell(begin(macro, population=2), np.eye(2, 8, dtype=np.int32), np.ones(2))
    after = evolution.tell(state, PARENT[None], np.array([np.nan]))
    assert after.population.births == 2 and after.population.fitness.tolist() == [1.0, 1.0]


def test_the_fittest_of_a_tournament_has_the_child(macro, ask):
    members = np.stack([PARENT, 2 - PARENT, np.zeros(8, int)]).astype(np.int32)
    state = evolution.tell(begin(macro), members, np.array([3.0, 1.0, 2.0]))
    children, _ = ask(state, 8)
    assert (np.asarray(children) != PARENT).sum(-1).tolist() == [1] * 8


def test_uniform_draws_come_until_the_population_is_complete(macro, ask):
    state = evolution.tell(begin(macro), PARENT[None].astype(np.int32), np.ones(1))
    proposals, _ = ask(state, 8)
    # Two are missing; the other six of the batch are children.
    assert ((np.asarray(proposals) != PARENT).sum(-1) == 1).sum() == 6


def test_known_children_are_born_at_once_until_new_ones_are_found(macro, ask):
    """All neighbours of the only parent are known: the search walks through them."""
    neighbours = np.unique(np.asarray(macro.canonical(macro.neighbours(PARENT))), axis=0)
    state = evolution.tell(begin(macro), neighbours, np.zeros(len(neighbours)))
    state = evolution.tell(state, np.stack([PARENT] * 3), np.ones(3))
    proposals, after = ask(state, 8)
    assert after.population.births > state.population.births
    assert not after.archive.contains(macro.canonical(proposals)).any()
    # Every one is a child of something that was measured.
    parents = after.archive.contains(macro.canonical(macro.neighbours(proposals)))
    assert parents.any(-1).all()
    assert after.archive.contains(macro.canonical(after.population.members)).all()
