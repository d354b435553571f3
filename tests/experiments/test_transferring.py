"""Transfer from others and from triples: no task on both sides, and the rows of results.json."""

from __future__ import annotations

import dataclasses
import importlib

import jax
import numpy as np
import pytest

from experiments import knowledge, transferring
from pnag_jax import benchmarks, reports, spaces
from pnag_jax.benchmarks import Table
from pnag_jax.errors import UsageError

SPACE = spaces.get("macro")


@pytest.fixture(scope="module")
def table() -> Table:
    genotypes = np.asarray(SPACE.canonical(SPACE.sample(jax.random.key(0), 60)))
    genotypes = np.unique(genotypes, axis=0).astype(np.int16)
    columns = {
        f"{name}/test_accuracy": (genotypes.sum(axis=1) + i).astype(np.float32)
        for i, name in enumerate("abc")
    }
    return Table(
        name="toy",
        space_name="macro",
        genotypes=genotypes,
        metrics=(*columns, "a/latency"),
        meta={},
        source="made up",
        read_column=lambda name: columns.get(name, columns["a/test_accuracy"]).copy(),
    )


@pytest.fixture
def config():
    found = importlib.import_module("configs.macro").get_config("tiny")
    found.transfer.update({"steps": 8, "members": 1, "width": 8, "seeds": 1, "proposals": 3})
    return found


def write_triples(folder, space="macro") -> None:
    random = np.random.default_rng(0)
    genotypes = random.integers(0, 3, (40, 8)).astype(np.int16)
    np.savez(
        folder / "meta.npz",
        space=np.array(space),
        arch=genotypes,
        arch_fields=np.array(SPACE.fields),
        accuracy=genotypes.sum(axis=1).astype(np.float32),
        task_id=np.repeat(np.arange(20), 2),
        task_classes=np.repeat(random.integers(0, 9, (20, 3)), 2, axis=0),
        meta=np.array("{}"),
    )


def test_no_task_is_trained_on_and_proposed_for(config, table):
    plan = transferring.plan(config, table, None)
    assert plan.meta == "others" and set(plan.targets) == set("abc")
    for name, column in plan.targets.items():
        assert name not in plan.sources[name] and column not in plan.sources[name].values()
        assert len(plan.sources[name]) == 2
    config.meta = "b"
    plan = transferring.plan(config, table, None)
    assert set(plan.targets) == set("ac") and plan.sources["a"] == {"b": "b/test_accuracy"}
    config.search.task = "c@test_accuracy"
    assert set(transferring.plan(config, table, None).targets) == {"c"}


def test_sources_that_are_not_there_are_refused(config, table, tmp_path):
    for meta, task, message in (
        ("mnist", None, "'mnist': .*accepted are a, b, c, others and the name"),
        ("a", "a", "has no a data set to propose for"),
    ):
        config.meta, config.search.task = meta, task
        with pytest.raises(UsageError, match=message):
            transferring.plan(config, table, tmp_path)


def test_from_triples_to_the_page(config, table, tmp_path):
    write_triples(tmp_path)
    config.meta, config.search.task = "meta", "a"
    plan = transferring.plan(config, table, tmp_path)
    (row,) = transferring.run(config, plan, key=jax.random.key(0))
    assert {"task", "proposals", "optimum", "first_rank_of_optimum"} <= set(row)
    assert row["task"] == "a" and row["optimum"] == table.column("a/test_accuracy").max()
    assert [set(entry) >= {"rank", "architecture", "report_value"} for entry in row["proposals"]]
    assert len(row["proposals"]) == 3 and len(row["seeds"]) == 1
    meta = row["meta"]
    assert (meta["name"], meta["tasks"], meta["labels"], meta["target_labels"]) == (
        *("meta", 20, 40),
        0,
    )
    assert meta["held_out"]["tasks"] == 4 and 0 <= meta["held_out"]["coverage_90"] <= 1
    reports.write(tmp_path, {"space": "macro", "transfer": [row]}, ())
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Transfer" in page and row["proposals"][0]["architecture"] in page
    assert "40 labels of 20 other tasks (meta), none of this one" in page


def test_a_search_begins_with_what_others_tell_and_trains_once(
    config, table, tmp_path, monkeypatch
):
    task = benchmarks.get_task(table, "b@test_accuracy")
    config.meta = "others"
    plan = knowledge.plan(config, ("random", "pnag"), table, task, None)
    assert list(plan.targets) == ["b"] and set(plan.sources["b"]) == {"a", "c"}

    def read(column):
        assert not column.startswith("b/"), "a measurement of the target is a query"
        return table.column(column)

    plan = plan._replace(table=dataclasses.replace(table, read_column=read))
    start = knowledge.start(config, plan, tmp_path)
    assert start.labels == 2 * len(table.genotypes)
    assert start.genotypes.shape == (len(table.genotypes), 8)
    monkeypatch.setattr(transferring, "train", None)
    again = knowledge.start(config, plan, tmp_path)
    np.testing.assert_array_equal(start.genotypes, again.genotypes)


def test_knowledge_that_no_method_takes_is_refused(config, table):
    task = benchmarks.get_task(table, "b@test_accuracy")
    assert knowledge.plan(config, ("random",), table, task, None) is None
    config.meta = "others"
    with pytest.raises(UsageError, match="none of random begins with what other tasks tell"):
        knowledge.plan(config, ("random",), table, task, None)
