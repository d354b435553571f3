"""The split into architectures that are trained on and those that are not."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from pnag_jax import generation, spaces
from pnag_jax.generation import dataset


def rows(genotypes) -> set[tuple[int, ...]]:
    return {tuple(row) for row in genotypes.tolist()}


@pytest.mark.parametrize("name", spaces.names())
def test_parts_are_distinct_valid_and_disjoint(name):
    space = spaces.get(name)
    split = generation.split(jax.random.key(0), space, count=500, holdout=0.2)
    assert split.train.shape == (400, space.genotype_length)
    assert split.held_out.shape == (100, space.genotype_length)
    assert split.train.dtype == np.int32
    assert len(rows(split.train) | rows(split.held_out)) == 500
    assert np.asarray(space.is_valid(np.concatenate(split))).all()


def test_the_key_alone_decides():
    space = spaces.get("macro")
    one, same, other = (
        generation.split(jax.random.key(seed), space, count=300) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one.train, same.train)
    np.testing.assert_array_equal(one.held_out, same.held_out)
    assert rows(one.train) != rows(other.train)


def test_small_spaces_are_whole():
    split = generation.split(jax.random.key(0), spaces.get("nb201"))
    assert len(split.held_out) == 1528  # a tenth of the 15,284 functional cells
    assert len(rows(split.train) | rows(split.held_out)) == 15_284


def test_large_spaces_are_sampled(monkeypatch):
    monkeypatch.setattr(dataset, "ENUMERABLE", 10)
    space = spaces.get("nb201")
    split = generation.split(jax.random.key(0), space, count=300, holdout=0.0)
    # Repeats are dropped: 300 of 15,284 make three of them on average.
    assert 280 <= len(split.train) <= 300 and len(split.held_out) == 0
    assert len(rows(split.train)) == len(split.train)
    assert np.asarray(space.is_valid(split.train)).all()
