"""The table that comes with the package."""

from __future__ import annotations

import numpy as np

from pnag_jax import benchmarks


def test_it_says_how_it_was_made_and_measures_each_cell_in_every_seed():
    table = benchmarks.load("nb201:digits")
    assert (table.name, table.space_name, table.datasets) == ("nb201:digits", "nb201", ("digits",))
    assert table.meta["command"].startswith("python -m experiments.train_architectures")
    assert table.valid.all() and table.looked_up.all()
    for part in ("valid", "test"):
        seeds = [table.column(f"digits/{part}_accuracy_seed{i}") for i in range(3)]
        assert np.isfinite(seeds).all()
        mean = table.column(f"digits/{part}_accuracy")
        np.testing.assert_allclose(mean, np.mean(seeds, axis=0), rtol=1e-5)
        # Far above a tenth, which is chance, and not all alike.
        assert mean.min() > 50 and mean.std() > 0.5


def test_a_search_sees_one_seed_and_is_told_the_mean():
    task = benchmarks.get_task(benchmarks.load("nb201:digits"), "digits")
    assert (task.name, task.search_metric) == ("digits@one_seed", "valid_accuracy_seed0")
    assert task.report_metric == "test_accuracy"
