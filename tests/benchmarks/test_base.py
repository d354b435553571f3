from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from pnag_jax import spaces
from pnag_jax.benchmarks.base import judge
from pnag_jax.errors import UsageError


def test_columns_are_read_when_asked_for_and_once(toy):
    asked = []

    def read(metric):
        asked.append(metric)
        return toy.read_column(metric)

    table = dataclasses.replace(toy, read_column=read)
    assert asked == []
    np.testing.assert_array_equal(table.column("toy/params"), [30, 40, 20, 10, 5, 1, 60])
    assert table.column("toy/params") is table.column("toy/params")
    assert asked == ["toy/params"]


def test_measurements_cannot_be_written_to(toy):
    with pytest.raises(ValueError, match="read-only"):
        toy.column("toy/params")[0] = 0
    with pytest.raises(ValueError, match="read-only"):
        toy.genotypes[0, 0] = 0


def test_unknown_column_names_the_accepted_ones(toy):
    with pytest.raises(UsageError, match=r"'toy/bleu'.*accepted are toy/valid_accuracy, toy/test"):
        toy.column("toy/bleu")


def test_rows_and_classes(toy):
    assert toy.datasets == ("toy",)
    wanted = [[0, 0, 0, 4, 0, 0], [4, 4, 4, 4, 4, 4], [0, 0, 0, 9, 0, 0]]
    assert toy.rows(np.array(wanted)).tolist() == [3, -1, -1]
    assert toy.valid.tolist() == [True] * 5 + [False, True]
    # Rows 0 and 1 compute the same; the invalid row 5 is in no class.
    assert toy.classes.tolist() == [0, 0, 2, 3, 4, -1, 6]


def test_first_of_two_measurements_is_looked_up(toy):
    table = dataclasses.replace(toy, genotypes=toy.genotypes[[0, 2, 0, 3, 4, 2, 6]].copy())
    assert table.looked_up.tolist() == [True, True, False, True, True, False, True]


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 5000])
def test_judge_does_not_depend_on_its_batches(count):
    space = spaces.get("nb201")
    genotypes = np.random.default_rng(count).integers(0, 5, (count, 6))
    valid, canonical = judge(space, genotypes)
    np.testing.assert_array_equal(valid, np.asarray(space.is_valid(genotypes)))
    np.testing.assert_array_equal(canonical, np.asarray(space.canonical(genotypes)))
