"""The choice of contexts, on codes whose structure was planted."""

from __future__ import annotations

import numpy as np

from pnag_jax.generation.context import choose_parents

M = 3000


def columns(*make) -> np.ndarray:
    return np.stack(make, axis=1)


def draws(seed: int, values: int = 4) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, values, M)


def test_independent_codes_have_no_parents():
    codes = columns(*(draws(seed) for seed in range(5)))
    assert choose_parents(codes, 4) == ((),) * 5


def test_a_copy_has_its_original_as_only_parent():
    original, noise = draws(0), draws(1)
    codes = columns(noise, original, draws(2), (original + 1) % 4)
    assert choose_parents(codes, 4) == ((), (), (), (1,))


def test_a_function_of_two_codes_has_both_as_parents():
    a, b = draws(0), draws(1)
    # Each alone narrows the sum down, both give it away.
    found = choose_parents(columns(a, draws(2), b, a + b), 7)
    assert found[:3] == ((), (), ())
    assert sorted(found[3][:2]) == [0, 2]


def test_no_more_parents_than_allowed():
    parts = [draws(seed, 2) for seed in range(4)]
    codes = columns(*parts, sum(parts))
    assert sorted(choose_parents(codes, 5)[4]) == [0, 1, 2, 3]
    assert len(choose_parents(codes, 5, max_parents=2)[4]) == 2
    assert choose_parents(codes, 5, max_parents=0) == ((),) * 5


def test_a_weak_hint_is_below_the_least_gain():
    original = draws(0, 2)
    hint = np.where(np.random.default_rng(1).random(M) < 0.7, original, 1 - original)
    # Right in 7 of 10: 1 - H(0.7) = 0.12 bits.
    assert choose_parents(columns(original, hint), 2) == ((), (0,))
    assert choose_parents(columns(original, hint), 2, min_gain=0.2) == ((), ())


def test_constant_codes_neither_have_nor_are_parents():
    a = draws(0)
    constant = np.full(M, 2)
    assert choose_parents(columns(constant, a, constant, a), 4) == ((), (), (), (1,))


def test_memorizing_is_no_gain():
    # A code with a value for every row predicts anything, but only those rows.
    rows = np.arange(200)
    target = np.random.default_rng(0).integers(0, 2, 200)
    assert choose_parents(np.stack([rows, target], 1), 200) == ((), ())


def test_many_rows_are_looked_at_evenly():
    # The first half says nothing, the second half is a copy.
    a, b = draws(0), draws(1)
    b[M // 2 :] = a[M // 2 :]
    assert choose_parents(columns(a, b), 4, sample=500) == ((), (0,))
