"""Which scores of untrained networks a search may begin with, and that they are kept."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from experiments import hinting
from pnag_jax import benchmarks, networks, spaces
from pnag_jax.benchmarks.objectives import Goal, Objective
from pnag_jax.errors import UsageError

MACRO = spaces.get("macro")


def test_auto_is_synflow_where_one_program_scores_all_networks():
    for name in spaces.names():
        one_program = name in networks.names() and networks.has_branches(name)
        assert hinting.resolve("auto", name) == ("synflow" if one_program else None)
        assert hinting.resolve("none", name) is None
        assert hinting.resolve("flops", name) == "flops"


def test_a_score_that_cannot_be_had_is_refused():
    with pytest.raises(UsageError, match="--hint=synflow: accepted for space gnn are auto, none"):
        hinting.resolve("synflow", "gnn")


def test_only_searches_for_quality_are_told():
    quality, cost = (benchmarks.Task("toy@x", "toy", x, x) for x in ("accuracy", "latency"))
    assert hinting.plan("flops", MACRO, ["random", "pnag:batch=4"], quality) == "flops"
    assert hinting.plan("flops", MACRO, ["pnag"], cost) is None
    assert hinting.plan("flops", MACRO, ["random", "gp"], quality) is None
    # A higher throughput is better, and nothing that networks tell untrained.
    speed = benchmarks.Task("toy@y", "toy", "throughput", "throughput")
    assert hinting.plan("flops", MACRO, ["pnag"], speed) is None


@pytest.mark.parametrize(
    ("metric", "maximize", "expected"),
    [("accuracy", True, "flops"), ("accuracy", False, None), ("throughput", True, None)],
)
def test_a_goal_is_told_where_one_of_its_metrics_is_quality(metric, maximize, expected):
    latency = Objective("latency", "toy/latency", None, maximize=False)
    goal = Goal("toy", (Objective(metric, f"toy/{metric}", None, maximize), latency))
    assert hinting.plan("flops", MACRO, ["pnag_front", "nsga2"], goal) == expected
    assert hinting.plan("flops", MACRO, ["nsga2"], goal) is None


def test_scores_are_computed_once_a_run(tmp_path, monkeypatch):
    scores = hinting.score("flops", MACRO, tmp_path, 3)
    np.testing.assert_allclose(scores.values, MACRO.flops(scores.genotypes))
    monkeypatch.setattr(hinting, "_computed", lambda *_: pytest.fail("computed again"))
    again = hinting.score("flops", MACRO, tmp_path, 3)
    np.testing.assert_array_equal(again.values, scores.values)
    with pytest.raises(UsageError, match="seed was 3 and is 4"):
        hinting.score("flops", MACRO, tmp_path, 4)


def test_scores_of_untrained_networks_follow_their_size(tmp_path, monkeypatch):
    monkeypatch.setattr(hinting, "_COUNT", 24)
    space = spaces.get("nb201")
    # The one that compiles soonest.
    scores = hinting.score("naswot", space, tmp_path, 0)
    assert stats.spearmanr(scores.values, space.params(scores.genotypes))[0] > 0.4
