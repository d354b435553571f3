from __future__ import annotations

import dataclasses

import numpy as np

from pnag_jax.benchmarks import optimum, queryable


def test_only_what_a_query_can_read_counts(toy):
    # Row 5 (99 and 1 parameter) is not functional; row 6 has no valid_accuracy.
    assert optimum(toy, "toy/valid_accuracy", True) == 9
    assert optimum(toy, "toy/test_accuracy", True) == 95
    assert optimum(toy, "toy/params", False) == 5
    # Rows 0 and 1 are one architecture.
    assert queryable(toy, "toy/valid_accuracy") == 4
    assert queryable(toy, "toy/params") == 5


def test_second_measurements_are_out_of_reach(toy):
    # Row 1 (the best) becomes a second measurement of row 0.
    genotypes = toy.genotypes[[0, 0, 2, 3, 4, 5, 6]].copy()
    assert optimum(dataclasses.replace(toy, genotypes=genotypes), "toy/valid_accuracy", True) == 7


def test_nothing_to_find(toy):
    barren = dataclasses.replace(toy, genotypes=np.zeros((7, 6), np.int16))
    assert np.isnan(optimum(barren, "toy/valid_accuracy", True))
    assert queryable(barren, "toy/valid_accuracy") == 0
