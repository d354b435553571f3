"""Searches with checkpoints, on a table whose answers are known."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from scipy import stats

from experiments import hinting, searching
from pnag_jax import benchmarks, methods, spaces
from pnag_jax.methods import path_features
from pnag_jax.training.interrupts import Interrupt, Interrupted

BUDGET, SEEDS = 12, 2
SPACE = spaces.get("macro")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """All of macro; the more blocks of kind 2, the better, and half of that is a cost."""
    path = tmp_path_factory.mktemp("table") / "toy.npz"
    genotypes = np.indices((3,) * 8).reshape(8, -1).T
    seen = (genotypes == 2).sum(1)
    columns = {"toy/seen": seen, "toy/true": 10 * seen, "toy/latency": 100 - seen}
    benchmarks.save_table(path, space="macro", genotypes=genotypes, columns=columns, meta={})
    return benchmarks.load(str(path))


def search(table, folder, task="toy@seen:true", **options):
    return searching.run_method(
        "random",
        table,
        benchmarks.get_task(table, task),
        **{"budget": BUDGET, "seeds": SEEDS, "key": jax.random.key(0), "folder": folder} | options,
    )


def queries(result):
    return [[entry.genotype.tolist() for entry in ledger.entries] for ledger in result.ledgers]


def test_an_interrupted_search_goes_on_to_the_same_queries(table, tmp_path):
    whole = search(table, tmp_path / "whole")
    assert [len(seed) for seed in queries(whole)] == [BUDGET] * SEEDS
    interrupt = Interrupt()
    interrupt.signum = 15
    for _ in range(3):
        with pytest.raises(Interrupted, match="of random is saved in"):
            search(table, tmp_path / "broken", interrupt=interrupt)
    assert queries(search(table, tmp_path / "broken")) == queries(whole)


def test_a_finished_search_asks_nothing(table, tmp_path, monkeypatch):
    first = search(table, tmp_path)
    saved = {path.name for path in tmp_path.iterdir()}
    again = search(table, tmp_path)
    assert again.compile_seconds == 0
    assert queries(again) == queries(first)
    assert {path.name for path in tmp_path.iterdir()} == saved


def test_the_best_are_over_all_seeds_and_in_the_tasks_direction(table, tmp_path):
    result = search(table, tmp_path / "a")
    best = searching.best(result, 3)
    asked = [sum(gene == 2 for gene in g) for seed in queries(result) for g in seed]
    assert [entry["search_value"] for entry in best] == sorted(set_of_distinct(result))[::-1][:3]
    assert best[0]["search_value"] == max(asked)
    assert best[0]["report_value"] == 10 * max(asked)
    assert best[0]["architecture"] == SPACE.to_string(best[0]["genotype"])

    cheap = searching.best(search(table, tmp_path / "b", task="toy@latency"), 3)
    values = [entry["search_value"] for entry in cheap]
    assert values == sorted(values) and values[0] == 100 - max(asked)


def set_of_distinct(result):
    """Search values of the distinct architectures that any seed asked for."""
    distinct = {tuple(g) for seed in queries(result) for g in seed}
    return [sum(gene == 2 for gene in g) for g in distinct]


def test_generators_go_to_the_methods_that_search_with_one():
    generator = object()
    random, counts = map(methods.get, ("random", "pnag_counts"))
    generative = searching.Given(generator)
    assert searching.method_config(random, generative, SPACE) == {}
    assert searching.method_config(counts, generative, SPACE) == {"generator": generator}
    assert searching.taking("generator", ["random", "pnag:batch=4"]) == ("pnag:batch=4",)


def test_what_is_known_goes_to_the_methods_that_begin_with_it():
    counts, pnag = map(methods.get, ("pnag_counts", "pnag"))
    drawn = np.asarray(SPACE.sample(jax.random.key(0), 32))
    scores = hinting.Scores("flops", drawn, drawn.sum(1).astype(np.float32), 0.1)
    given = searching.Given(None, searching.Start(np.zeros((2, 8), int), 5), scores)
    assert searching.method_config(counts, given, SPACE) == {"generator": None}
    assert searching.hint_told(given, "pnag_counts") is None
    assert searching.hint_told(given, "pnag:batch=4") == {
        "score": "flops",
        "architectures": 32,
        "labels": 0,
        "seconds": 0.1,
    }
    found = searching.method_config(pnag, given, SPACE)
    assert found["start"] is given.start.genotypes
    features = path_features.embed(SPACE, SPACE.canonical(drawn))
    assert stats.spearmanr(found["hint"].scores(features), drawn.sum(1))[0] > 0.95
