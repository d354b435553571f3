"""Triples: read as they are, parted by protocol, refused with the field's name."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pnag_jax.benchmarks.triples import looks_like_triples, read_triples, segments
from pnag_jax.errors import DataError, UsageError

FIELDS = np.array(["0->1", "0->2", "1->2", "0->3", "1->3", "2->3"])


@pytest.fixture
def arrays():
    return {
        "space": np.array("nb201"),
        "arch": np.array([[3, 3, 3, 1, 3, 3], [0, 0, 0, 3, 0, 0], [3, 3, 3, 1, 3, 2]], np.int16),
        "arch_fields": FIELDS,
        "accuracy": np.array([70.0, 60.0, 72.5], np.float32),
        "task_id": np.array([7, 3, 7], np.int16),
        "task_classes": np.array([[5, 2], [1, 2], [2, 5]], np.int16),
        "meta": np.array("{}"),
    }


def saved(path, arrays):
    np.savez_compressed(path, **arrays)
    return path


def test_reads_what_was_written(tmp_path, arrays):
    path = saved(tmp_path / "mine.npz", arrays)
    assert looks_like_triples(path)
    triples = read_triples(path, space="nb201")
    assert triples.name == "mine" and "3 triples of 2 tasks" in triples.source
    np.testing.assert_array_equal(triples.genotypes, arrays["arch"])
    np.testing.assert_array_equal(triples.values, [70, 60, 72.5])
    np.testing.assert_array_equal(triples.tasks, [1, 0, 1])
    # A data set has no order.
    np.testing.assert_array_equal(triples.parts, [[2, 5], [1, 2], [2, 5]])
    np.testing.assert_array_equal(triples.protocols, [0, 0, 0])


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("accuracy", np.array([70.0, np.nan, 1.0], np.float32), "accuracy: row 1 is nan"),
        ("accuracy", np.array([70, 1, 1]), "accuracy: shape"),
        ("task_id", np.array([1.0, 2.0, 3.0]), "task_id: shape"),
        ("task_classes", np.array([[5, 2], [1, 2], [2, 6]]), "row 2 differs from row 0"),
        ("task_classes", np.array([[5, 2], [1, 2], [2, -5]]), "accepted are numbers from 0"),
        ("arch", np.full((3, 6), 9), "row 0, 0->1 = 9"),
        ("space", np.array("gnn"), "'gnn'; expected 'nb201'"),
        ("meta", np.array("{"), "meta: is not JSON"),
        ("task_id", None, "task_id missing"),
    ],
)
def test_damage_is_named(tmp_path, arrays, field, value, message):
    changed = {**arrays, field: value}
    path = saved(tmp_path / "bad.npz", {k: v for k, v in changed.items() if v is not None})
    with pytest.raises(DataError, match=message):
        read_triples(path, space="nb201")


def test_pickles_and_missing_files_are_refused(tmp_path, arrays):
    pickled = saved(tmp_path / "bad.npz", arrays | {"accuracy": np.array([{}, 1, 2], object)})
    with pytest.raises(DataError, match="accuracy: cannot be read"):
        read_triples(pickled)
    with pytest.raises(UsageError, match="cannot read"):
        read_triples(tmp_path / "none.npz")
    assert not looks_like_triples(tmp_path / "none.npz")


@given(st.integers(60, 200), st.integers(60, 200), st.integers(0, 2**32 - 1))
def test_a_step_is_found_where_it_is_and_nowhere_in_noise(first, second, seed):
    random = np.random.default_rng(seed)
    values = random.normal(size=first + second)
    assert segments(values).max() == 0
    values[first:] += 12
    np.testing.assert_array_equal(segments(values), np.repeat([0, 1], [first, second]))


def test_the_real_triples_have_two_protocols(benchmark_dir):
    """The last 478 scores are some 20 points lower, on the same tasks and architectures."""
    triples = read_triples(benchmark_dir / "nb201_meta_train.npz", space="nb201")
    assert np.bincount(triples.protocols).tolist() == [4152, 478]
    assert triples.tasks.max() + 1 == 3031
