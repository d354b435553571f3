"""Goals read from flags, and every way in which the flags may be wrong."""

from __future__ import annotations

import numpy as np
import pytest

from pnag_jax.benchmarks import Table, objectives
from pnag_jax.errors import UsageError

GENOTYPES = np.array([[0, 0, 0, 1, 0, 0], [2, 0, 0, 1, 2, 0], [3, 3, 3, 3, 3, 3], [0] * 6])
COLUMNS = {
    "a/test_accuracy": [10.0, 60.0, 90.0, 99.0],
    "a/error": [90.0, 40.0, 10.0, 1.0],
    "latency_ms/pixel3": [1.0, 5.0, 20.0, 0.1],
    "latency_ms/raspi4": [2.0, np.nan, 30.0, 0.1],
}


@pytest.fixture(scope="module")
def table() -> Table:
    """Three cells of nb201 and one that the space does not accept."""
    arrays = {name: np.array(values, np.float32) for name, values in COLUMNS.items()}
    return Table(
        name="toy",
        space_name="nb201",
        genotypes=GENOTYPES.astype(np.int16),
        metrics=tuple(arrays),
        meta={},
        source="worked out by hand",
        read_column=lambda metric: arrays[metric].copy(),
    )


@pytest.mark.parametrize(
    ("text", "maximize"),
    [
        ("test_accuracy,latency_ms/pixel3", [True, False]),
        ("error,params,flops", [False, False, False]),
        ("-test_accuracy,+latency_ms/pixel3", [False, True]),
        ("test_accuracy:min, latency_ms/pixel3:max", [False, True]),
    ],
)
def test_directions_follow_from_names_unless_they_are_given(table, text, maximize):
    goal = objectives.parse(table, "a", text)
    assert [one.maximize for one in goal.objectives] == maximize


def test_told_are_signed_values_then_slacks(table):
    goal = objectives.parse(
        table, "a", "test_accuracy,latency_ms/pixel3", "latency_ms/pixel3<=5,test_accuracy>=20"
    )
    told = goal.told(table)
    np.testing.assert_array_equal(told[:3], [[10, -1, 4, -10], [60, -5, 0, 40], [90, -20, -15, 70]])
    assert objectives.feasible(goal, table).tolist() == [False, True, False, False]
    assert goal.name == (
        "a@+test_accuracy,-latency_ms/pixel3 with latency_ms/pixel3<=5,test_accuracy>=20"
    )


def test_costs_come_from_the_space(table):
    goal = objectives.parse(table, "a", "test_accuracy,params")
    np.testing.assert_array_equal(goal.told(table)[:2, 1], [-73306, -73306 - 2 * 28000])
    assert goal.search_column == "a/test_accuracy"


def test_rows_that_lack_a_column_cannot_be_queried(table):
    goal = objectives.parse(table, "a", "test_accuracy,latency_ms/raspi4")
    assert objectives.readable(goal, table).tolist() == [True, False, True, False]


def test_a_preference_is_normalized(table):
    goal = objectives.parse(table, "a", "test_accuracy,params", preference="3,1")
    assert goal.preference == (0.75, 0.25)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("test_accuracy",), "1 objective"),
        (("test_accuracy,test_accuracy",), "named twice"),
        (("test_accuracy,-a/test_accuracy",), "named twice"),
        (("test_accuracy,",), "an entry is empty"),
        (("test_accuracy,latency_ms/pixel9",), "no metric 'pixel9'; accepted are pixel3, raspi4"),
        (("test_accuracy,tpu/v2",), "no data set 'tpu'; accepted are a, latency_ms"),
        (("test_accuracy,latency",), "no metric 'latency'; accepted are test_accuracy, error"),
        (("test_accuracy,error:up",), "METRIC:max"),
        (("test_accuracy,-error:min",), "METRIC:max"),
        (("params,flops",), "nothing is measured"),
        (("test_accuracy,params", "latency_ms/pixel3<5"), "METRIC<=NUMBER"),
        (("test_accuracy,params", "latency_ms/pixel3<=5ms"), "METRIC<=NUMBER"),
        (("test_accuracy,params", "latency_ms/pixel3<=nan"), "METRIC<=NUMBER"),
        (("test_accuracy,params", "latency_ms/pixel3<="), "METRIC<=NUMBER"),
        (("test_accuracy,params", "5>=latency_ms/pixel3"), "METRIC<=NUMBER"),
        (("test_accuracy,params", "speed<=5"), "no metric 'speed'"),
        (("test_accuracy,params", "latency_ms/pixel3<=0.5"), "out of reach.* 1 to 20"),
        (
            ("test_accuracy,params", "latency_ms/pixel3<=1,test_accuracy>=50"),
            "no architecture .* meets all",
        ),
        (("test_accuracy,params", None, "1"), "2 positive numbers"),
        (("test_accuracy,params", None, "1,0"), "2 positive numbers"),
        (("test_accuracy,params", None, "1,much"), "2 positive numbers"),
    ],
)
def test_what_is_refused_is_named(table, given, message):
    with pytest.raises(UsageError, match=message) as caught:
        objectives.parse(table, "a", *given)
    assert "\n" not in str(caught.value)
