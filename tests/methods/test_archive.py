from __future__ import annotations

import hypothesis
import hypothesis.strategies as st
import jax
import numpy as np

from pnag_jax import spaces
from pnag_jax.methods.archive import FAILURE_SLOTS, Archive, empty

# Both compute one 3x3 convolution: at once, and after a skip connection.
CONV, CONV_AFTER_SKIP = [0, 0, 0, 3, 0, 0], [1, 0, 0, 0, 3, 0]
POOL = [0, 0, 0, 4, 0, 0]
NOT_FUNCTIONAL = [3, 0, 0, 0, 0, 0]
NAN = float("nan")

_jitted_insert = jax.jit(Archive.insert)


def insert(archive, genotypes, values):
    return _jitted_insert(archive, np.array(genotypes), np.array(values, np.float32))


def keys(genotypes):
    return spaces.get("nb201").canonical(np.array(genotypes))


def test_an_empty_one_knows_nothing():
    archive = empty(spaces.get("nb201"), 3)
    assert archive.values.shape == (3 + FAILURE_SLOTS,)
    assert not archive.contains(keys([CONV])).any() and archive.best()[1] == -np.inf


def test_isomorphic_genotypes_are_one_and_keep_the_first_value():
    archive = insert(empty(spaces.get("nb201"), 3), [CONV, POOL, CONV_AFTER_SKIP], [1.0, 2.0, 9.0])
    assert archive.count == 2 and archive.failures == 0
    assert archive.genotypes[:2].tolist() == [CONV, POOL]
    assert archive.lookup(keys([CONV_AFTER_SKIP, POOL])).tolist() == [1.0, 2.0]
    assert archive.best()[0].tolist() == POOL


def test_failures_are_known_and_never_good():
    archive = insert(empty(spaces.get("nb201"), 3), [CONV, NOT_FUNCTIONAL], [NAN, 99.0])
    assert archive.count == 0 and archive.failures == 2
    assert archive.contains(keys([CONV, NOT_FUNCTIONAL, POOL])).tolist() == [True, True, False]
    assert archive.lookup(keys([CONV, NOT_FUNCTIONAL])).tolist() == [-np.inf, -np.inf]
    assert archive.best()[1] == -np.inf


def test_a_failure_that_is_measured_later_counts():
    archive = insert(empty(spaces.get("nb201"), 3), [CONV, CONV, CONV], [NAN, 5.0, NAN])
    assert archive.count == 1 and archive.failures == 1
    assert archive.lookup(keys(CONV)) == 5.0


def test_beyond_its_budget_a_better_one_takes_the_place_of_the_worst():
    genotypes = [[0, 0, 0, op, 0, 0] for op in (3, 1, 2, 4)]
    archive = insert(empty(spaces.get("nb201"), 2), genotypes, [3.0, 1.0, 0.5, 2.0])
    assert archive.count == 2
    assert archive.values[:2].tolist() == [3.0, 2.0]
    assert archive.genotypes[:2].tolist() == [genotypes[0], genotypes[3]]


def test_old_failures_are_forgotten():
    cells = spaces.get("macro").sample(jax.random.key(0), 6000)
    _, first = np.unique(spaces.get("macro").canonical(cells), axis=0, return_index=True)
    cells = cells[np.sort(first)][: FAILURE_SLOTS + 1]
    archive = insert(empty(spaces.get("macro"), 2), cells, np.full(len(cells), NAN))
    known = archive.contains(spaces.get("macro").canonical(cells))
    assert archive.failures == FAILURE_SLOTS + 1
    assert known.tolist() == [False] + [True] * FAILURE_SLOTS


VALUES = st.one_of(st.integers(-3, 3).map(float), st.just(NAN), st.just(float("inf")))


@hypothesis.settings(max_examples=60, deadline=None)
@hypothesis.given(st.lists(st.tuples(st.integers(0, 7), VALUES), min_size=12, max_size=12))
def test_it_is_a_dictionary_of_first_values(told):
    """Against a dict, over histories of eight cells of which one is not functional."""
    direct = [[0, 0, 0, op, 0, 0] for op in range(5)]
    cells = np.array(direct + [[3, 0, 0, 0, op, 0] for op in (2, 3, 4)])
    which, values = [i for i, _ in told], [value for _, value in told]
    archive = insert(empty(spaces.get("nb201"), 8), cells[which], values)
    expected: dict[int, float] = {}
    for i, value in told:
        if np.isfinite(value) and i != 0:
            expected.setdefault(i, value)
    assert archive.genotypes[: len(expected)].tolist() == [cells[i].tolist() for i in expected]
    assert archive.values[: len(expected)].tolist() == list(expected.values())
    assert archive.count == len(expected)
    assert archive.measured().sum() == len(expected)
    known = np.asarray(archive.contains(keys(cells)))
    assert known.tolist() == [i in which for i in range(8)]
