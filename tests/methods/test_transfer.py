"""Meta-training end to end on a toy, what context is accepted, and the offsets by hand."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax import spaces
from pnag_jax.benchmarks import Table
from pnag_jax.benchmarks.triples import Triples
from pnag_jax.errors import UsageError
from pnag_jax.methods import (
    hints,
    meta_tasks,
    transfer,
    transfer_evaluation,
    transfer_offsets,
    transferable,
)

SPACE = spaces.get("macro")
SETTINGS = {"steps": 150, "members": 2, "width": 16, "learning_rate": 1e-2}
SIZES = ("a/valid_accuracy", "a/test_accuracy", "b/test_accuracy", "b/latency")


@pytest.fixture(scope="module")
def table() -> Table:
    """Half of the space; scores are the number of large blocks."""
    genotypes = np.asarray(SPACE.sample(jax.random.key(0), 1500))
    genotypes = np.unique(np.asarray(SPACE.canonical(genotypes)), axis=0).astype(np.int16)
    value = (genotypes == 2).sum(axis=1) + 0.5 * (genotypes == 1).sum(axis=1)
    columns = {name: (value + i).astype(np.float32) for i, name in enumerate(SIZES)}
    return Table(
        name="toy",
        space_name="macro",
        genotypes=genotypes,
        metrics=SIZES,
        meta={},
        source="made up",
        read_column=lambda name: columns[name].copy(),
    )


@pytest.fixture(scope="module")
def tasks(table):
    return meta_tasks.from_table(table, {"a": "a/test_accuracy"})


@pytest.fixture(scope="module")
def trained(tasks):
    return transfer.train(jax.random.key(1), tasks, **SETTINGS)


def test_the_best_of_a_table_is_proposed(trained, table):
    found = transfer_evaluation.against_table(
        trained, table, "b/test_accuracy", count=3, same_unit=True
    )
    assert found["rank_correlation"] > 0.9 and found["percentile"] < 0.02
    assert [entry["rank"] for entry in found["proposals"]] == [1, 2, 3]
    first = found["proposals"][0]
    assert SPACE.to_string(np.array(first["genotype"])) == first["architecture"]
    assert found["first_rank_of_optimum"] >= 1 and found["candidates"] == len(table.genotypes)


def test_costs_are_turned_round(table):
    plain, cost = (
        meta_tasks.from_table(table, {"b": name}) for name in ("b/test_accuracy", "b/latency")
    )
    np.testing.assert_allclose(plain.episodes.values, -cost.episodes.values, atol=1e-4)


def test_predict_with_jit_is_predict_without_and_vmaps(trained):
    genotypes = SPACE.sample(jax.random.key(2), 6)
    found = transferable.predict(trained, genotypes)
    plain = transferable.predict.__wrapped__(trained, genotypes[:2])
    np.testing.assert_allclose(found.mean[:2], plain.mean, atol=1e-4)
    assert (found.std > 0).all()
    mapped = jax.vmap(transferable.predict, in_axes=(None, 0))(trained, genotypes[:, None])
    np.testing.assert_allclose(mapped.mean[:, 0], found.mean, atol=1e-4)


def test_context_falls_back_to_the_prior_and_refuses_the_rest(trained):
    genotypes = np.asarray(SPACE.sample(jax.random.key(3), 3))
    one = transferable.context(trained, genotypes[:1], [5.0])
    none = transferable.no_context(trained)
    assert jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), one, none))
    three = transferable.context(trained, genotypes, [5.0, 7.0, 6.0])
    np.testing.assert_allclose(three.pair_scores[:, 0], [-0.967, 0.967, 0.0], atol=1e-3)
    assert np.isfinite(transferable.predict(trained, jnp.asarray(genotypes), three).mean).all()
    for arguments, message in (
        ((genotypes, [5.0, np.nan, 6.0]), "entry 1 is nan"),
        ((genotypes, [5.0]), "one each"),
        ((np.zeros((3, 6), int), [5.0, 6.0, 7.0]), "trained on space macro"),
        ((None, None, np.zeros((4, 7))), r"accepted are \[n, 1\]"),
        ((None, None, np.full((4, 1), np.nan)), "not a number"),
    ):
        with pytest.raises(UsageError, match=message):
            transferable.context(trained, *arguments)
    with pytest.raises(UsageError, match="trained on space macro"):
        transferable.propose(trained, np.zeros((2, 6), int))


def test_isomorphic_candidates_are_proposed_once(trained):
    twins = np.array([[2, 0, 1, 1, 0, 1, 1, 1], [2, 0, 1, 0, 1, 1, 1, 1]])
    order, found = transferable.propose(trained, twins)
    assert len(order) == 1 and len(found.mean) == 2


def test_what_is_not_known_a_hint_tells():
    found = transferable.Prediction(np.array([1.0, -1.0, 0.0]), np.array([1.0, 1.0, 0.0]))
    # The values vary by 2/3 + 2/3; scores stand at quantiles of 1/4 and 3/4.
    added = 1 / (4 / 3) * hints.USUAL * np.sqrt(4 / 3) * 0.67449
    hinted = transferable.hinted(found, np.array([-np.inf, 5.0, np.nan]))
    np.testing.assert_allclose(hinted.mean, [1 - added, -1 + added, 0.0], rtol=1e-4)
    np.testing.assert_array_equal(hinted.std, found.std)


def test_proposals_are_in_the_order_of_hinted_predictions(trained):
    drawn = np.unique(SPACE.canonical(SPACE.sample(jax.random.key(5), 30)), axis=0)
    plain, scores = transferable.propose(trained, drawn)[1], np.arange(len(drawn))
    order, found = transferable.propose(trained, drawn, hint=scores)
    np.testing.assert_allclose(found.mean, transferable.hinted(plain, scores).mean)
    assert (np.diff(found.mean[order]) <= 0).all() and (found.mean != plain.mean).any()


def triples() -> Triples:
    return Triples(
        name="toy",
        space_name="macro",
        genotypes=np.array([[0] * 8, [1] * 8, [2] * 8, [0] * 8, [1] * 8, [2] * 8], np.int32),
        values=np.array([1.0, 2.0, 3.0, 4.0, 5.0, 15.0]),
        tasks=np.array([0, 0, 0, 0, 0, 1]),
        parts=np.array([[4, 9]] * 5 + [[2, 9]]),
        protocols=np.array([0, 0, 0, 0, 0, 1]),
        source="made up",
    )


def test_episodes_of_triples_by_hand():
    found = meta_tasks.from_triples(triples())
    # Five labels of task 0 make an episode of four and one of one.
    np.testing.assert_array_equal(
        found.episodes.rows, [[0, 1, 2, 0], [1, -1, -1, -1], [2, -1, -1, -1]]
    )
    # Parts 2, 4, 9 are 0, 1, 2; protocols come after them.
    np.testing.assert_array_equal(found.episodes.examples, [[1, 2, 3], [1, 2, 3], [0, 2, 4]])
    # Centred by protocol: -2 .. 2 and 0; their deviation is sqrt(10 / 6).
    np.testing.assert_allclose(
        found.episodes.values[0, :, 0], np.arange(-2, 2) / 1.29099, rtol=1e-4
    )
    assert found.labels == 6 and found.num_tasks == 2
    known, held = transfer_evaluation.split(found, 0.5, 0)
    assert not set(known.task) & set(held.task) and known.labels + held.labels == 6


def test_selection_is_the_share_of_measured_neighbours():
    genotypes = np.array([[1] * 8])
    none = transfer_offsets._selection(SPACE, genotypes, np.zeros(3**8, bool))
    every = transfer_offsets._selection(SPACE, genotypes, np.ones(3**8, bool))
    # 16 neighbours: probits of 0.5 / 17 and 16.5 / 17.
    np.testing.assert_allclose([none[0], every[0]], [-1.8895, 1.8895], atol=1e-3)


def test_a_source_without_labels_is_refused(table):
    with pytest.raises(UsageError, match="no task to train"):
        meta_tasks.from_table(table, {})
    columns = {"a/test_accuracy": np.full(len(table.genotypes), np.nan, np.float32)}
    empty = dataclasses.replace(table, read_column=lambda name: columns[name])
    with pytest.raises(UsageError, match="has 0 values; 2 are needed"):
        meta_tasks.from_table(empty, {"a": "a/test_accuracy"})
