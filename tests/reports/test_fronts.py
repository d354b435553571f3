"""The section of a search for several objectives."""

from __future__ import annotations

import json
import pathlib
import re

import numpy as np
import pytest

from pnag_jax import reports, spaces
from pnag_jax.reports import fronts
from tests.reports.conftest import climb


@pytest.fixture
def front() -> dict:
    """As ``results.json`` holds it, three methods."""
    space = spaces.get("nb201")
    genotypes = np.array([[1, 2, 3, 1, 2, 3], [3, 3, 3, 3, 3, 3]])
    points = [[90.0, 2.0], [94.0, 20.0]]
    speeds = {"pnag_front": 3.0, "nsga2": 1.2, "random": 0.4}
    curves = {name: climb(speed, optimum=1.0) for name, speed in speeds.items()}
    curves = {
        name: {k: np.clip(v, 0, 1).tolist() for k, v in curve.items()}
        for name, curve in curves.items()
    }
    rows = [
        {
            "method": name,
            "queries": [48, 192],
            "mean": [curve["mean"][47], curve["mean"][191]],
            "std": [0.02, 0.01],
            "lowest": [0.8, 0.9],
            "median_queries_to_goal": 120.0 if name == "pnag_front" else None,
            "seconds_per_seed": 1.5,
        }
        for name, curve in curves.items()
    ]
    return {
        "goal": "cifar10@+test_accuracy,-latency_ms/pixel3",
        "objectives": [
            {"name": "test_accuracy", "direction": "max", "free": False},
            {"name": "latency_ms/pixel3", "direction": "min", "free": False},
        ],
        "constraints": [],
        "preference": None,
        "budget": 192,
        "seeds": 20,
        "goal_share": 0.99,
        "rows": rows,
        "curves": curves,
        "true_front": {
            "size": 3,
            "nadir": [88.0, 24.0],
            "ideal": [94.4, 1.0],
            "points": [[88.0, 1.0], [93.0, 6.0], [94.4, 24.0]],
        },
        "fronts": {name: {"points": points} for name in speeds},
        "queried": [*points, [50.0, 60.0]],
        "best": [
            {
                "architecture": space.to_string(genotype),
                "genotype": genotype.tolist(),
                "values": {"test_accuracy": point[0], "latency_ms/pixel3": point[1]},
                "params": 1e5,
                "flops": 1e7,
            }
            for genotype, point in zip(genotypes, points, strict=True)
        ],
    }


def test_the_page_has_a_section_a_tile_and_the_plots(front, results, tmp_path: pathlib.Path):
    del results["search"], results["best"]
    reports.write(tmp_path, {**json.loads(json.dumps(results)), "front": front}, [])
    page = (tmp_path / "report.html").read_text()
    assert "Several objectives" in page and "Architectures of nb201" in page
    assert {p.name for p in (tmp_path / "plots").iterdir()} >= {"front.png", "hypervolume.png"}
    text = re.sub(r"<[^>]+>", " ", page)
    assert "not reached" in text and "120" in text
    for name in ("pnag_front", "nsga2", "random"):
        assert name in text


def test_a_run_without_it_has_no_section(results, tmp_path, cheap_pictures):
    reports.write(tmp_path, {**results, "front": None}, [])
    assert "Several objectives" not in (tmp_path / "report.html").read_text()


def test_the_true_front_and_every_method_are_drawn_in_the_fronts_frame(front):
    axes = fronts.fronts(front).axes[0]
    labels = {str(artist.get_label()) for artist in axes.collections}
    assert labels >= {"queried", "true front", *front["fronts"]}
    assert axes.get_xlim()[1] < 60 and axes.get_ylim()[0] > 50
    assert axes.get_xlabel() == "latency_ms/pixel3 (less is better)"


def test_the_steps_go_around_what_is_dominated():
    points = np.array([[5.0, 1.0], [1.0, 3.0], [2.0, 2.0], [4.0, 0.0]])
    # Less is better across, more is better up: the first point beats all others but (5, 1)
    # beats none of them.
    assert fronts.staircase(points, (False, True)).tolist() == [[1.0, 3.0]]
    # More is better in both.
    steps = fronts.staircase(points, (True, True))
    assert steps.tolist() == [[5.0, 1.0], [2.0, 1.0], [2.0, 2.0], [1.0, 2.0], [1.0, 3.0]]


def test_the_goal_is_a_line_in_the_plot_of_shares(front):
    axes = fronts.shares(front).axes[0]
    assert {"99%", *front["curves"]} <= {str(line.get_label()) for line in axes.lines}
    assert axes.get_ylim()[1] >= 1.0
