"""Proxies of a table's architectures: what the program leaves, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from experiments import proxy_scores
from pnag_jax import benchmarks, proxies
from pnag_jax.benchmarks import save_table
from pnag_jax.errors import UsageError
from pnag_jax.training.interrupts import Interrupt
from pnag_jax.training.workdir import Workdir

ARGUMENTS = {
    "dataset": "digits",
    "skeleton": {"channels": 2, "cells": 1},
    "count": 3,
    "batch_size": 4,
    "seed": 0,
}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """The deeper a cell, the better it is."""
    path = tmp_path_factory.mktemp("table") / "cells.npz"
    cells = [[3] * 6, [0, 0, 0, 3, 0, 0], [0, 0, 0, 1, 0, 0]]
    columns = {"toy/accuracy": [90.0, 70.0, 50.0]}
    save_table(path, space="nb201", genotypes=cells, columns=columns, meta={})
    return benchmarks.load(str(path))


def plan(table, **changes):
    given = ARGUMENTS | {"proxies": (proxies.get("synflow"),)} | changes
    return proxy_scores.make_plan(table=table, **given)


def test_scores_stand_beside_the_measurements_and_are_kept(table, tmp_path, monkeypatch):
    asked = []
    # Scores have tests of their own.
    flows = {(3,) * 6: 9.0, (0, 0, 0, 3, 0, 0): 2.0, (0, 0, 0, 1, 0, 0): -np.inf}

    def score(chosen, space, genotypes, *batch, **options):
        asked.append(len(genotypes))
        return {"synflow": np.array([flows[tuple(row)] for row in genotypes.tolist()])}

    monkeypatch.setattr(proxy_scores, "score_all", score)
    monkeypatch.setattr(proxy_scores, "_PART", 2)

    def run():
        with Workdir(tmp_path / "run", program="p", config={}) as folder:
            return proxy_scores.run(plan(table), folder, {}, {}, "command", Interrupt())

    results = run()
    assert results["rank_correlation"] == {"synflow": {"toy/accuracy": pytest.approx(1.0)}}
    assert run()["rank_correlation"] == results["rank_correlation"] and asked == [2, 2]
    written = benchmarks.load(str(tmp_path / "run" / "table.npz"))
    np.testing.assert_array_equal(written.genotypes, table.genotypes)
    np.testing.assert_array_equal(written.column("digits/synflow"), [9.0, 2.0, np.nan])
    np.testing.assert_array_equal(written.column("toy/accuracy"), [90.0, 70.0, 50.0])
    assert "synflow" in proxy_scores.as_text(results)


def test_noise_has_the_size_of_the_networks(table):
    made = plan(table, dataset="noise")
    assert made.inputs.shape == (4, 32, 32, 3) and made.source == "noise"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dataset": "nowhere"}, "dataset 'nowhere': no such"),
        ({"batch_size": 2000}, "--batch_size=2000: digits has 1079 images"),
        ({"skeleton": {"depth": 3}}, "no field 'depth'"),
    ],
)
def test_wrong_arguments_are_one_line(table, changes, message):
    with pytest.raises(UsageError, match=message):
        plan(table, **changes)
