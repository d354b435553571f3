"""The section on conditional generation: what was asked, kept and reached."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

from pnag_jax.reports import plots
from tests.reports.test_page import written

GRID = [0.1, 0.5, 0.9]
PRIOR = {"held_out_bits": {"nothing": 14.6, "quality": 13.2, "other_quality": 19.4}}


def promise(column: str, judge: str, **changed: Any) -> dict[str, Any]:
    return {
        "condition": "quality",
        "column": column,
        "judge": judge,
        "asked": GRID,
        "reached": [0.15, 0.5, 0.85],
        "low": [0.05, 0.4, 0.7],
        "high": [0.3, 0.6, 0.95],
        "rank_correlation": 0.931,
        "mean_error": 0.066,
        "count": 1000,
        "measured": 1.0,
        "new": {"count": 71, "rank_correlation": 0.917},
        **changed,
    }


@pytest.fixture
def conditional(results) -> dict[str, Any]:
    found = {
        "sampling": {"guidance": 2.0, "temperature": 0.7, "top_k": 0, "keep": 0.97},
        "asked": {"task": "a/b<", "quality": 0.95, "limit": "ms/<phone><=5"},
        "notes": ["quality 0.4 is asked instead"],
        "count": 1000,
        "seconds": 0.21,
        "raw_validity": 0.999,
        "validity": 1.0,
        "uniqueness": 0.81,
        "novelty": 0.07,
        "uniform": {"validity": 0.978, "uniqueness": 0.97, "novelty": 0.1},
        "promise": [
            promise("a/b<", "table"),
            promise("a/c", "process"),
            promise("params", "space", rank_correlation=None, reached=[None] * 3),
        ],
        "limits": [
            {"column": "ms/phone", "limit": 5.0, "share": 0.25, "kept": 0.989},
            {"column": "ms/phone", "limit": 12345.0, "share": 0.5, "kept": None},
        ],
        "reached": {
            "quality": {"column": "a/b<", "quantile_asked": 0.95, "quantile_reached": 0.913},
            "limit_kept": 0.975,
        },
        "samples": results["generation"]["samples"][:2],
    }
    return {**copy.deepcopy(results), "prior": PRIOR, "conditional": found}


def test_the_section_says_what_was_asked_and_what_came(tmp_path, conditional, cheap_pictures):
    page = written(tmp_path, conditional)
    assert "Conditional generation" in page.texts
    for fact in (
        "Asked for: quality 0.95 of a/b< and ms/<phone><=5.",
        "quality 0.4 is asked instead",
        *("0.931", "0.917", "98.90 % (5)", "not measured (12.3 k)", "97.50 %", "0.913", "0.21 s"),
        *("14.60", "13.20", "19.40", "told another's quality"),
        "judged by a Gaussian process over measurements that the prior was not told",
    ):
        assert fact in page.text, fact
    names = sorted(path.name for path in (tmp_path / "plots").glob("promise_*.png"))
    # Of what was not measured there is no curve.
    assert names == ["promise_00.png", "promise_01.png"]


def test_where_nothing_was_asked_that_is_said(tmp_path, conditional, cheap_pictures):
    conditional["conditional"] |= {"asked": None, "limits": []}
    for gone in ("reached", "samples"):
        del conditional["conditional"][gone]
    page = written(tmp_path, conditional)
    assert "Nothing was asked for" in page.text and "Limits" not in page.texts


def test_without_a_prior_there_is_no_section(tmp_path, results, cheap_pictures):
    page = written(tmp_path, results | {"prior": None, "conditional": None})
    assert "Conditional generation" not in page.texts


def test_the_curve_has_the_promise_the_mean_and_the_band():
    asked, low, high = np.array(GRID), np.array([0.0, 0.4, 0.7]), np.array([0.3, 0.6, 1.0])
    axes = plots.promise_curve(asked, asked / 2, low, high, title="a").axes[0]
    promised, mean = axes.lines
    assert promised.get_xdata().tolist() == promised.get_ydata().tolist()
    np.testing.assert_allclose(mean.get_ydata(), asked / 2)
    (band,) = axes.collections
    corners = band.get_paths()[0].vertices
    at_half = corners[np.isclose(corners[:, 0], 0.5)][:, 1]
    assert (at_half.min(), at_half.max()) == (0.4, 0.6)
    assert axes.get_xlim() == axes.get_ylim() == (0, 1)
