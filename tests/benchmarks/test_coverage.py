from __future__ import annotations

import dataclasses

import numpy as np

from pnag_jax import benchmarks, spaces


def every_cell(toy, values):
    """All of nb201 with one column."""
    return dataclasses.replace(
        toy,
        genotypes=np.indices((5,) * 6, np.int16).reshape(6, -1).T,
        metrics=("toy/score",),
        read_column=lambda metric: values.astype(np.float32),
    )


def test_a_table_of_the_whole_space_is_searched_whole(toy):
    table = every_cell(toy, np.arange(5**6))
    assert benchmarks.searchable(table, "toy/score") is spaces.get("nb201")


def test_a_table_of_a_part_is_searched_there(toy):
    part = benchmarks.searchable(toy, "toy/valid_accuracy")
    # Rows 0 and 1 are one architecture, row 5 is invalid, row 6 was not measured.
    assert isinstance(part, spaces.Restricted) and part.size == 4
    held = {tuple(row) for row in part.held.tolist()}
    assert held == {tuple(row) for row in toy.genotypes[[0, 2, 3, 4]].tolist()}


def test_a_column_with_gaps_is_a_part(toy):
    values = np.where(np.arange(5**6) % 2, np.nan, 1.0)
    part = benchmarks.searchable(every_cell(toy, values), "toy/score")
    assert isinstance(part, spaces.Restricted)
    assert part.size == benchmarks.queryable(every_cell(toy, values), "toy/score")
