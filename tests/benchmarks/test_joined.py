"""Columns of the package's table beside those of another."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from pnag_jax.benchmarks import Table, joined, packages

GENOTYPES = np.array([[3, 3, 3, 3, 3, 3], [0, 0, 0, 1, 0, 0]], np.int16)


@pytest.fixture
def table() -> Table:
    return Table(
        name="toy",
        space_name="nb201",
        genotypes=GENOTYPES.copy(),
        metrics=("a/accuracy",),
        meta={},
        source="worked out by hand",
        read_column=lambda metric: np.array([2.0, 1.0], np.float32),
    )


@pytest.fixture
def other(table, monkeypatch) -> Table:
    """The package's table, with one of the two rows."""
    found = dataclasses.replace(
        table,
        genotypes=GENOTYPES[1:].copy(),
        metrics=("cifar10/qat_accuracy",),
        read_column=lambda metric: np.array([7.0], np.float32),
    )
    monkeypatch.setattr(packages, "load", lambda name: found)
    return found


def test_columns_are_joined_by_architecture(table, other):
    both = joined.widened(table, "accuracy,analog/qat_accuracy", None)
    assert both.metrics == ("a/accuracy", "analog/qat_accuracy")
    np.testing.assert_array_equal(both.column("analog/qat_accuracy"), [np.nan, 7.0])
    np.testing.assert_array_equal(both.column("a/accuracy"), [2.0, 1.0])


def test_nothing_is_opened_that_is_not_named(table):
    assert joined.widened(table, "accuracy,params", None) is table
    assert joined.widened(dataclasses.replace(table, space_name="macro"), "analog/x") is not None
