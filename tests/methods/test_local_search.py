from __future__ import annotations

import jax
import numpy as np
import pytest

from pnag_jax.methods import local_search

START = np.array([2, 1, 0, 2, 1, 0, 2, 1], np.int32)


def begin(space, **config):
    return local_search.init(jax.random.key(0), space, {"budget": 200, "initial": 1, **config})


@pytest.fixture
def tell(jitted):
    """Tells one by one: one shape, one compilation."""

    jit_tell = jitted(local_search.METHOD)[1]

    def tell_each(state, genotypes, values):
        for genotype, value in zip(np.asarray(genotypes), values, strict=True):
            state = jit_tell(state, genotype[None], np.array([value], np.float32))
        return state

    return tell_each


@pytest.fixture
def ask(jitted):
    return jitted(local_search.METHOD)[0]


def test_the_first_climb_starts_at_the_best_of_the_initial_draws(macro, tell):
    state = begin(macro, initial=3)
    genotypes = np.eye(3, 8, dtype=np.int32)
    state = tell(state, genotypes[:1], [5.0])
    assert state.value == -np.inf
    state = tell(state, genotypes[1:2], [7.0])
    state = tell(state, genotypes[2:3], [6.0])
    assert state.value == 7.0 and state.current.tolist() == genotypes[1].tolist()


def test_neighbours_are_asked_and_the_first_better_one_is_moved_to(macro, ask, tell):
    state = tell(begin(macro), START[None], [5.0])
    for value in (4.0, np.nan, 6.0):
        assert state.value == 5.0 and state.current.tolist() == START.tolist()
        genotypes, state = ask(state, 1)
        assert (np.asarray(genotypes) != START).sum() == 1
        state = tell(state, genotypes, [value])
    assert state.value == 6.0 and state.current.tolist() == genotypes[0].tolist()
    assert state.climbs == 0


def test_without_first_improvement_all_neighbours_are_measured_before_a_move(macro, ask, tell):
    state = tell(begin(macro, first_improvement=False), START[None], [5.0])
    classes = len(np.unique(macro.canonical(macro.neighbours(START)), axis=0))
    values = 6.0 + np.arange(classes)
    asked = []
    for i in range(classes):
        assert state.current.tolist() == START.tolist()
        genotypes, state = ask(state, 1)
        state = tell(state, genotypes, values[i : i + 1])
        asked.append(genotypes[0].tolist())
    assert state.current.tolist() == asked[-1] and state.value == values[-1]


def test_a_local_optimum_ends_the_climb_and_a_uniform_draw_starts_the_next(tiny, ask, tell):
    # 111 is better than its neighbours; 001 is next to 101 and 011.
    state = tell(begin(tiny), np.array([[1, 1, 1]]), [9.0])
    neighbours = np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]])
    state = tell(state, neighbours[:2], [1.0, 2.0])
    assert state.climbs == 0 and state.value == 9.0
    state = tell(state, neighbours[2:], [np.nan])
    assert state.climbs == 1 and state.value == -np.inf
    genotypes, state = ask(state, 1)
    assert genotypes[0].tolist() in [[0, 0, 1], [0, 1, 0], [1, 0, 0]]


def test_known_neighbours_are_moved_to_at_no_cost(tiny, tell):
    """From 001 by way of 101 (known, 2) to 111 (known, 9), whose neighbours are known."""
    state = tell(begin(tiny), np.array([[1, 1, 1]]), [9.0])
    state = tell(state, np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]), [0.5, 2.0, 1.0])
    assert state.climbs == 1
    state = tell(state, np.array([[0, 0, 1]]), [1.0])
    assert state.climbs == 2 and state.value == -np.inf


@pytest.mark.parametrize("first_improvement", [True, False])
def test_it_climbs_a_hill_to_its_top(macro, ask, tell, hill, first_improvement):
    state = begin(macro, first_improvement=first_improvement)
    for _ in range(140):
        genotypes, state = ask(state, 1)
        state = tell(state, genotypes, hill(genotypes))
        if state.climbs == 1:
            break
    # At most 8 steps of at most 16 neighbours, and the start.
    assert state.archive.best()[1] == 0.0 and state.archive.count <= 1 + 9 * 16
