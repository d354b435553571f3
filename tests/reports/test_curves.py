"""Series out of plain results: nulls are gaps, nothing is made up."""

import math

import numpy as np

from pnag_jax.reports import curves


def test_series_is_sorted_and_drops_what_is_no_number():
    metrics = [
        {"step": 2, "loss": 3.0},
        {"step": 1, "loss": None},
        {"step": 0, "loss": 5},
        {"step": 3, "loss": math.nan},
        {"step": 4, "other": 1.0},
        {"loss": 9.0},
        {"step": 5, "loss": True},
    ]
    steps, values = curves.series(metrics, "loss")
    assert steps.tolist() == [0, 2]
    assert values.tolist() == [5, 3]


def test_smooth_by_hand():
    # 100 values: half a window is 2.  A ramp stays a ramp where it is centred;
    # the last value is the mean of itself and the two before it.
    smoothed = curves.smooth(np.arange(100.0))
    np.testing.assert_allclose(smoothed[:98], np.arange(98.0))
    np.testing.assert_allclose(smoothed[98:], [(96 + 97 + 98 + 99) / 4, (97 + 98 + 99) / 3])
    short = np.array([1.0, 5.0])
    assert curves.smooth(short) is short


def test_comparison_gives_a_panel_a_task_and_a_curve_a_method(comparison):
    panels = curves.panels(comparison["search"])
    assert [p.task for p in panels] == [
        "cifar10@12ep", "cifar10@200ep", "cifar100@12ep", "cifar100@200ep",
    ]  # fmt: skip
    for panel in panels:
        assert [c.method for c in panel.curves] == [row["method"] for row in panel.rows]
        assert all(len(c.queries) == 192 and c.std is not None for c in panel.curves)
        assert panel.budgets == (16, 24, 48, 96, 192)


def test_an_unnamed_row_takes_the_name_of_its_curve_and_the_others_get_rows(results):
    (panel,) = curves.panels(results["search"])
    assert [row["method"] for row in panel.rows] == ["pnag_counts", "evolution", "random"]
    evolution = results["search"]["curves"]["evolution"]
    assert panel.rows[1]["mean"] == [evolution["mean"][q - 1] for q in panel.budgets]
    assert "median_queries_to_optimum" not in panel.rows[1]


def test_without_curves_the_budgets_are_the_curve(results):
    row = {**results["search"], "curves": None}
    (panel,) = curves.panels(row)
    run, uniform = panel.curves
    assert (run.method, uniform.method) == (curves.THIS_RUN, curves.UNIFORM)
    assert run.queries.tolist() == list(panel.budgets)
    assert uniform.std is None


def test_nulls_give_no_curve():
    row = {"task": "t", "queries": [16, 48], "mean": None, "std": None, "optimum": None}
    (panel,) = curves.panels(row)
    assert panel.curves == () and panel.optimum is None
    assert curves.panels(None) == []
    gaps = {"queries": [16, 48], "mean": [None, 2.0], "std": [None, None]}
    (curve,) = curves.panels(gaps)[0].curves
    assert math.isnan(curve.mean[0]) and curve.mean[1] == 2.0 and curve.std is None


def test_a_median_of_null_is_infinite_only_in_a_search_for_a_known_optimum():
    row = {"mean": [1.0], "optimum": 2.0, "m": None}
    assert curves.median_queries(row, "m") == math.inf
    assert curves.median_queries({**row, "m": 7.5}, "m") == 7.5
    assert curves.median_queries({**row, "optimum": None}, "m") is None
    assert curves.median_queries({**row, "mean": [None]}, "m") is None
    assert curves.median_queries(row, "absent") is None


def test_the_direction_is_told_by_the_optimum():
    row = {"queries": [16, 48], "mean": [3.0, 2.0]}
    assert curves.panels({**row, "optimum": 2.0})[0].lower_is_better
    assert not curves.panels({**row, "mean": [2.0, 3.0], "optimum": 3.0})[0].lower_is_better
    assert not curves.panels(row)[0].lower_is_better
