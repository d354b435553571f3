"""Searches for several objectives with checkpoints, on a table that is known."""

from __future__ import annotations

import json

import jax
import numpy as np
import pytest

from configs import macro
from experiments import fronts
from experiments.hinting import Scores
from experiments.searching import NOTHING, Given
from pnag_jax import benchmarks, spaces
from pnag_jax.errors import UsageError
from pnag_jax.methods import hints, several
from pnag_jax.methods.several.base import Known
from pnag_jax.training.interrupts import Interrupt, Interrupted

MACRO = spaces.get("macro")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """All of macro: blocks of kind 2 are good, each of them takes time, blocks of kind 1 more."""
    path = tmp_path_factory.mktemp("table") / "toy.npz"
    genotypes = np.indices((3,) * 8).reshape(8, -1).T
    twos, ones = (genotypes == 2).sum(1), (genotypes == 1).sum(1)
    columns = {"toy/accuracy": 50 + 5 * twos - ones, "toy/latency": 1 + twos + 2 * ones}
    benchmarks.save_table(path, space="macro", genotypes=genotypes, columns=columns, meta={})
    return benchmarks.load(str(path))


@pytest.fixture
def config():
    config = macro.get_config()
    config.objectives.update(
        names="accuracy,latency", methods=("nsga2", "random"), budget=40, seeds=2, save_every=16
    )
    return config


def run(config, table, folder, **options):
    table, goal = fronts.goal(config, table, "toy")
    folder.mkdir(exist_ok=True)
    options = {"key": jax.random.key(0), "workdir_path": folder, "given": NOTHING} | options
    return fronts.run(config, table, goal, **options)["front"]


def timeless(front):
    """Without what a clock measured."""
    rows = [{k: v for k, v in row.items() if "seconds" not in k} for row in front["rows"]]
    return {**front, "rows": rows}


def test_an_interrupted_search_comes_to_the_same_front(config, table, tmp_path):
    whole = run(config, table, tmp_path / "whole")
    interrupt = Interrupt()
    interrupt.signum = 15
    for _ in range(3):
        with pytest.raises(Interrupted, match="of nsga2 is saved in"):
            run(config, table, tmp_path / "broken", interrupt=interrupt)
    again = run(config, table, tmp_path / "broken")
    assert timeless(again) == timeless(whole)

    # What the results say of the table, by hand: no block of kind 1, 0 .. 8 of kind 2.
    assert whole["true_front"]["size"] == 9
    assert whole["true_front"]["ideal"] == [90.0, 1.0]
    assert whole["true_front"]["nadir"] == [50.0, 9.0]
    np.testing.assert_allclose(whole["true_front"]["reference"], [46.0, 9.8])
    assert [row["method"] for row in whole["rows"]] == ["nsga2", "random"]
    for row in whole["rows"]:
        assert len(row["last"]) == 2 and row["spent"] == 40
        assert row["lowest"][-1] == min(row["last"]) and max(row["last"]) <= 1
        curve = whole["curves"][row["method"]]["mean"]
        assert len(curve) == 40 and curve == sorted(curve) and curve[-1] == row["mean"][-1]
    found = [list(member["values"].values()) for member in whole["best"]]
    assert found == whole["fronts"]["nsga2"]["points"]
    lines = [json.loads(line) for line in (tmp_path / "whole" / "ledger.jsonl").open()]
    assert len(lines) == 40 and set(lines[0]["values"]) == {"accuracy", "latency"}


def test_a_preference_puts_the_preferred_first(config, table, tmp_path):
    config.objectives.update(methods=("random",), preference="1,99")
    members = run(config, table, tmp_path)["best"]
    latencies = [member["values"]["latency"] for member in members]
    assert latencies[0] == min(latencies) < max(latencies)


def test_a_constraint_keeps_what_violates_it_off_the_fronts(config, table, tmp_path):
    config.objectives.update(methods=("random",), constraints="latency<=7,accuracy>=50")
    front = run(config, table, tmp_path)
    assert front["true_front"]["size"] == 7
    values = [member["values"] for member in front["best"]]
    assert all(one["latency"] <= 7 and one["accuracy"] >= 50 for one in values)


def test_methods_learn_what_they_need_of_the_goal(config, table):
    config.objectives.update(names="accuracy,params", constraints="flops<=1e7")
    _, goal = fronts.goal(config, table, "toy")
    generator = object()
    scores = Scores("flops", MACRO.sample(jax.random.key(0), 16), np.arange(16.0), 0.0)
    begun = Given(generator, scores=scores)
    given = fronts.method_config(several.get("pnag_front"), goal, begun, MACRO)
    assert given["generator"] is generator and isinstance(given["hint"], hints.Hint)
    # What untrained networks promise is accuracy.
    assert given["qualities"] == (0,)
    other = fronts.method_config(several.get("nsga2"), goal, begun, MACRO)
    assert not {"generator", "hint"} & set(other)
    assert (given["objectives"], given["constraints"]) == (2, 1)
    # A slack is the bound less the cost.
    assert given["known"] == (None, Known("params", -1.0, 0.0), Known("flops", -1.0, 1e7))
    genotypes = np.zeros((1, 8), np.int32)
    slack = given["known"][2].values(table.space, genotypes)
    np.testing.assert_allclose(slack, goal.told(table)[:1, 2])


def test_a_budget_beyond_the_table_is_refused(config, table):
    config.objectives.budget = 99999
    with pytest.raises(UsageError, match=r"accepted are 1 \.\. 6561"):
        fronts.goal(config, table, "toy")
