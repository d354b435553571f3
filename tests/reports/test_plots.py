"""Plots hold what they were given: bands, optima, bars, fronts."""

import itertools

import numpy as np
import pytest

from pnag_jax.reports import curves, plots, style


def labels_of(artists) -> set[str]:
    return {str(artist.get_label()) for artist in artists}


def test_every_method_has_a_line_and_a_band(comparison):
    for panel in curves.panels(comparison["search"]):
        axes = plots.search_curves(panel).axes[0]
        methods = {curve.method for curve in panel.curves}
        assert {f"_band {m}" for m in methods} <= labels_of(axes.collections)
        assert methods | {"optimum of the table"} <= labels_of(axes.lines)
        colours = {line.get_color() for line in axes.lines if line.get_label() in methods}
        assert len(colours) == len(methods)
        low, high = axes.get_ylim()
        assert low < panel.optimum < high
        assert axes.get_xlabel() and axes.get_ylabel() == "test_accuracy"


def test_the_band_is_one_deviation_to_either_side(comparison):
    panel = curves.panels(comparison["search"])[0]
    axes = plots.search_curves(panel).axes[0]
    curve = panel.curves[0]
    (band,) = (c for c in axes.collections if c.get_label() == f"_band {curve.method}")
    corners = band.get_paths()[0].vertices
    at_48 = corners[np.isclose(corners[:, 0], 48)][:, 1]
    mean, std = curve.mean[47], curve.std[47]
    np.testing.assert_allclose([at_48.min(), at_48.max()], [mean - std, mean + std])


@pytest.mark.parametrize("budgets", [[1], [4], [16], [16, 24, 48, 96, 192, 300]])
def test_query_axis_labels_do_not_touch(budgets):
    row = {"queries": budgets, "mean": [90.0 + i for i in range(len(budgets))]}
    figure = plots.search_curves(curves.panels(row)[0])
    style.png(figure)
    ticks = [t.get_window_extent() for t in figure.axes[0].get_xticklabels() if t.get_text()]
    assert ticks
    assert not any(a.overlaps(b) for a, b in itertools.pairwise(ticks))


def test_equal_values_still_plot():
    row = {"queries": [16, 48], "mean": [0.0, 0.0], "std": [0.0, 0.0], "optimum": 0.0}
    assert style.png(plots.search_curves(curves.panels(row)[0]))


def test_more_methods_than_colours_differ_by_line():
    styles = style.line_styles([f"method_{i}" for i in range(20)])
    assert len(set(styles.values())) == 20


def test_pareto_front_by_hand():
    # (2, 1) is beaten by (1, 1); (3, 2) by (2.5, 3); the second (1, 1) is a copy.
    points = np.array([[3, 2], [1, 1], [2, 1], [2.5, 3], [1, 1], [9, 3.5]])
    assert plots.pareto_front(points).tolist() == [1, 3, 5]
    axes = plots.pareto(points, cost="cost", value="value").axes[0]
    assert {text.get_text() for text in axes.texts} == {"#2", "#4", "#6"}

    # Where less is better in both, only (1, 1) stands.
    axes = plots.pareto(points, cost="cost", value="value", lower_is_better=True).axes[0]
    assert {text.get_text() for text in axes.texts} == {"#2"}


def test_generation_bars_leave_out_what_was_not_measured(results):
    found = results["generation"]
    full = plots.generation_bars(found).axes[0]
    assert [t.get_text() for t in full.get_yticklabels()] == [
        "valid before repair", "valid", "unique", "novel",
    ]  # fmt: skip
    part = plots.generation_bars({**found, "raw_validity": None, "uniform": None}).axes[0]
    assert [t.get_text() for t in part.get_yticklabels()] == ["valid", "unique", "novel"]
    assert part.figure.legends == []
    assert plots.generation_bars({"count": 7, "validity": None}) is None


def test_training_curves_show_raw_and_smooth(metrics):
    line = curves.series(metrics, "loss")
    axes = plots.training_curves({"loss": line}, title="t", y_label="loss").axes[0]
    raw, smooth = axes.lines
    np.testing.assert_array_equal(raw.get_ydata(), line[1])
    assert np.abs(np.diff(smooth.get_ydata()[100:])).sum() < np.abs(np.diff(line[1][100:])).sum()
    assert axes.get_yscale() == "log"
    assert axes.get_xlabel() == "training step" and axes.get_ylabel() == "loss"


def test_scale_bars_write_their_values():
    axes = plots.scale_bars([3, 4, 5], np.array([0.9, np.nan, 0.1]), title="V", y_label="V").axes[0]
    assert [t.get_text() for t in axes.texts] == ["0.9", "", "0.1"]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["3", "4", "5"]
