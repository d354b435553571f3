"""Labels of a prior: looked up, or predicted where a table measured few."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from experiments import prior_labels
from experiments.conditioning import Columns
from pnag_jax import benchmarks, spaces
from pnag_jax.errors import DataError
from pnag_jax.generation import promise
from tests.methods.conftest import quick_generator

SPACE = spaces.get("macro")


def columns_of(tmp_path, rows: np.ndarray) -> Columns:
    """A table of macro with these rows: what counts is the number of each operation."""
    values = {"toy/a": rows.sum(1) + 0.01 * rows[:, 0], "latency/phone": 8 - (rows == 1).sum(1)}
    path = tmp_path / "macro.npz"
    benchmarks.save_table(path, space="macro", genotypes=rows, columns=values, meta={})
    table = benchmarks.load(str(path))
    return Columns(SPACE, table, ("toy/a",), ("latency/phone", "params"))


@pytest.fixture(scope="module")
def generator():
    return quick_generator(SPACE)


def test_where_all_is_measured_labels_are_quantiles(tmp_path, generator):
    columns = columns_of(tmp_path, np.unique(generator.genotypes, axis=0))
    labels = prior_labels.gather(jax.random.key(0), columns, generator, "auto")
    assert labels.generator is generator and labels.predicted == () and not labels.judges
    known = np.asarray(generator.genotypes)
    np.testing.assert_allclose(labels.quality[:, 0], known.sum(1) + 0.01 * known[:, 0], rtol=1e-6)
    assert promise.spearman(labels.told_quality[:, 0], labels.quality[:, 0]) == pytest.approx(1)
    np.testing.assert_array_equal(labels.measure("toy/a", known), labels.quality[:, 0])


def test_where_few_are_measured_a_process_tells_and_another_judges(tmp_path, generator):
    own = {row.tobytes() for row in generator.genotypes}
    drawn = np.unique(np.asarray(SPACE.sample(jax.random.key(5), 400)), axis=0)
    others = np.array([row for row in drawn if row.tobytes() not in own])
    columns = columns_of(tmp_path, others)
    labels = prior_labels.gather(jax.random.key(0), columns, generator, "auto")
    assert labels.predicted == ("toy/a", "latency/phone") and set(labels.judges) == {
        "toy/a",
        "latency/phone",
    }
    # The table's own stand behind the generator's.
    assert len(labels.generator.codes) == len(generator.codes) + len(others)
    np.testing.assert_array_equal(labels.generator.genotypes[-len(others) :], others)
    truth = np.asarray(labels.generator.genotypes).sum(1)
    told = labels.told_quality[:, 0]
    assert (told >= 0).all() and (told <= 1).all() and promise.spearman(told, truth) > 0.9
    judged = labels.measure("toy/a", np.asarray(generator.genotypes[:100]))
    assert promise.spearman(judged, truth[:100]) > 0.9
    # What judges was not told: halves of the table.
    measured = (~np.isnan(labels.quality)).sum()
    assert len(labels.judges["toy/a"].values) == measured // 2 >= len(others) // 2


def test_a_column_of_hardly_anything_is_refused(tmp_path, generator):
    columns = columns_of(tmp_path, np.eye(3, 8, dtype=int))
    with pytest.raises(DataError, match=r"toy/a: measures [0-3] of the architectures"):
        prior_labels.gather(jax.random.key(0), columns, generator, "auto")
