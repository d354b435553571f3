"""The run of one space as a process: what it leaves, and that it survives anything."""

from __future__ import annotations

import json
import shutil
import signal
import time

import jax
import numpy as np
import pytest

from experiments.bench import generators
from pnag_jax import benchmarks, spaces
from pnag_jax.generation import describe, generate, split
from tests.experiments.small_run import BUDGET, COUNT, EPOCHS, SMALL, read_lines, without_timings

KEYS = {
    "": {
        *("version", "space", "task", "config", "environment"),
        *("training", "generation", "prior", "conditional", "search", "best", "transfer"),
    },
    "prior": {
        *("steps", "seconds", "loss", "tokens", "codes", "trained_on", "quality", "hardware"),
        *("measured", "predicted", "table", "held_out_bits"),
    },
    "conditional": {
        *("sampling", "asked", "notes", "count", "seconds", "raw_validity", "validity"),
        *("uniqueness", "novelty", "training_share", "uniform", "promise", "limits"),
    },
    "environment": {"jax", "backend", "device_kind", "device_count", "host_count"},
    "training": {
        *("steps", "seconds", "loss", "reconstruction", "codebook_use", "codebook_perplexity"),
        *("scales", "v_per_scale", "reconstruction_per_scale", "trained_on", "held_out"),
    },
    "generation": {
        *("held_out_reconstruction", "count", "raw_validity", "validity"),
        *("uniqueness", "novelty", "training_share"),
        *("uniform", "seconds_one", "architectures_per_second", "sampling", "path", "samples"),
    },
}
SEARCH_KEYS = {
    *("task", "search_metric", "report_metric", "budget", "seeds", "queries", "mean", "std"),
    *("median_queries_to_optimum", "optimum", "uniform_mean", "method", "curves"),
}


@pytest.fixture(scope="session")
def results(finished):
    return json.loads((finished / "results.json").read_text())


def test_results_have_the_keys_of_the_format(results):
    assert set(results) == KEYS[""]
    for part in ("environment", "training", "generation", "prior", "conditional"):
        assert set(results[part]) == KEYS[part], part
    assert set(results["search"]) >= SEARCH_KEYS
    assert results["version"] == 1
    assert results["task"] == results["search"]["task"] == "cora@valid"
    assert results["search"]["method"] == "evolution"


def test_every_file_of_a_run_is_there(finished):
    names = ("config.json", "metrics.jsonl", "ledger.jsonl", "generated.jsonl", "report.html")
    for name in names:
        assert (finished / name).stat().st_size > 0, name
    assert list((finished / "plots").glob("*.png"))
    assert list((finished / "tensorboard").iterdir())
    assert "Architectures of gnn" in (finished / "report.html").read_text()
    assert not (finished / ".lock").exists()


def test_metrics_have_one_line_an_epoch(finished, results):
    lines = read_lines(finished / "metrics.jsonl")
    steps = results["training"]["steps"] // EPOCHS
    assert [line["step"] for line in lines] == [steps * (i + 1) for i in range(EPOCHS)]
    assert all(np.isfinite(line["loss"]) for line in lines)
    assert results["training"]["loss"] == lines[-1]["loss"] < lines[0]["loss"]
    assert all(0 <= line["held_out_reconstruction"] <= 1 for line in lines)


def test_the_prior_logs_and_measures_how_far_it_heeds_its_conditions(finished, results):
    lines = read_lines(finished / "prior" / "metrics.jsonl")
    steps = results["prior"]["steps"] // 4
    assert [line["step"] for line in lines] == [steps * (i + 1) for i in range(4)]
    last = {k.removeprefix("bits_"): v for k, v in lines[-1].items() if k.startswith("bits_")}
    assert results["prior"]["held_out_bits"] == pytest.approx(last)
    assert set(last) == {"nothing", "quality", "other_quality", "hardware", "other_hardware"}
    assert results["prior"]["loss"] == lines[-1]["loss"] < lines[0]["loss"]


def test_every_column_has_its_promise(results):
    found = results["conditional"]
    assert [row["column"] for row in found["promise"]] == ["cora/valid_accuracy", "params"]
    assert [row["judge"] for row in found["promise"]] == ["table", "space"]
    assert all(len(row["reached"]) == 20 and row["count"] == 40 for row in found["promise"])
    assert [row["column"] for row in found["limits"]] == ["params"] * 4
    assert found["validity"] == 1 and found["asked"] is None


def test_what_is_asked_for_stands_behind_the_other_samples(finished, programs, tmp_path):
    copy = shutil.copytree(finished, tmp_path / "copy")
    asked = ("--config.ask.quality=0.8", "--config.ask.limit=params<=1e7")
    ended = programs.finish(*SMALL, *asked, f"--workdir={copy}", "--mode=generate")
    assert ended.status == 0, ended.stderr
    lines = read_lines(copy / "generated.jsonl")
    assert lines[:COUNT] == read_lines(finished / "generated.jsonl")
    space, table = spaces.get("gnn"), benchmarks.load("gnn")
    assert len(lines) == COUNT + 40
    for line in lines[COUNT:]:
        assert 0 <= line["asked_hardware"] <= 1 and 0 <= line["asked_quality"] <= 1
        row = table.rows(np.array(line["genotype"]))
        accuracy = float(table.column("cora/valid_accuracy")[row])
        assert line["cora/valid_accuracy"] == pytest.approx(accuracy)
        assert space.to_string(line["genotype"]) == line["architecture"]
    found = json.loads((copy / "results.json").read_text())["conditional"]
    assert found["asked"]["quality"] == 0.8 and found["reached"]["limit_kept"] == 1
    assert "Asked for: quality 0.80" in (copy / "report.html").read_text()


def test_every_scale_is_measured(results):
    training = results["training"]
    assert training["scales"] == [3, 4, 5, 6]
    assert len(training["v_per_scale"]) == len(training["reconstruction_per_scale"]) == 4
    assert training["reconstruction"] == training["reconstruction_per_scale"][-1]
    assert training["trained_on"] + training["held_out"] == 800


def test_the_ledger_is_the_queries_of_one_seed(finished, results):
    lines = read_lines(finished / "ledger.jsonl")
    assert [line["order"] for line in lines] == list(range(1, BUDGET + 1))
    table = benchmarks.load("gnn")
    task = benchmarks.get_task(table, results["task"])
    values = table.column(task.search_column)[table.rows([line["genotype"] for line in lines])]
    np.testing.assert_allclose([line["value"] for line in lines], values, rtol=1e-6)


def test_the_generated_architectures_are_those_that_were_judged(finished, results):
    space = spaces.get("gnn")
    lines = read_lines(finished / "generated.jsonl")
    assert len(lines) == results["generation"]["count"] == COUNT
    for line in lines:
        assert space.to_string(line["genotype"]) == line["architecture"]
    # The trained-on set, by the keys that the run derives from its seed.
    key_train, *_ = jax.random.split(jax.random.key(0), 3)
    key_data, *_ = jax.random.split(jax.random.split(key_train)[0], 3)
    trained = split(key_data, space, count=800).train
    judged = describe(space, [line["genotype"] for line in lines], trained)
    assert judged == {name: results["generation"][name] for name in judged}
    assert results["generation"]["samples"] == lines[:12]


def test_a_finished_run_gives_back_its_generator(finished, tmp_path):
    copy = shutil.copytree(finished, tmp_path / "copy")
    generator, source = generators.restore(spaces.get("gnn"), copy)
    assert source == {"space": "gnn", "workdir": str(copy), "epochs": EPOCHS}
    # By the keys that the run derives from its seed.
    _, key, _ = jax.random.split(jax.random.key(0), 3)
    for _ in range(2):
        key, _ = jax.random.split(key)
    found = generate(key, generator, COUNT)
    lines = read_lines(finished / "generated.jsonl")
    np.testing.assert_array_equal(found, [line["genotype"] for line in lines])


def test_every_step_of_the_path_is_a_valid_architecture(results):
    space, path = spaces.get("gnn"), results["generation"]["path"]
    assert [step["nodes"] for step in path] == [3, 4, 5, 6]
    assert all(bool(space.is_valid(np.array(step["genotype"]))) for step in path)


def test_the_best_are_distinct_sorted_and_measured(results):
    table, best = benchmarks.load("gnn"), results["best"]
    values = [entry["search_value"] for entry in best]
    assert values == sorted(values, reverse=True) and len(best) == 10
    assert len({entry["architecture"] for entry in best}) == 10
    task = benchmarks.get_task(table, results["task"])
    for entry in best:
        row = table.rows(np.array(entry["genotype"]))
        assert entry["report_value"] == pytest.approx(float(table.column(task.report_column)[row]))
        assert entry["params"] > 0 and entry["flops"] > 0


def test_the_uniform_row_is_random_search(results):
    search = results["search"]
    at = [query - 1 for query in search["queries"]]
    assert search["uniform_mean"] == [search["curves"]["random"]["mean"][i] for i in at]
    assert search["mean"] == [search["curves"]["evolution"]["mean"][i] for i in at]


def test_a_finished_run_returns_at_once_with_the_same_files(finished, programs):
    names = ("results.json", "report.html", "ledger.jsonl", "metrics.jsonl")
    before = {name: (finished / name).stat().st_mtime_ns for name in names}
    ended = programs.finish(*SMALL, f"--workdir={finished}")
    assert ended.status == 0
    assert ended.last == f"nothing left to do: {finished}/report.html"
    assert {name: (finished / name).stat().st_mtime_ns for name in names} == before


def test_signals_and_kills_leave_no_trace(finished, programs, tmp_path):
    workdir = tmp_path / "broken"
    arguments = (*SMALL, f"--workdir={workdir}")

    process = programs.start(*arguments)
    wait_for(process, lambda: len(steps_in(workdir / "checkpoints" / "prior")) >= 1)
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 143, stderr
    assert "stopped by SIGTERM" in stderr and "the same command resumes" in stderr
    process = programs.start(*arguments)
    wait_for(process, lambda: steps_in(workdir / "checkpoints" / "search-evolution"))
    process.kill()
    process.communicate()

    ended = programs.finish(*arguments)
    assert ended.status == 0, ended.stderr
    whole, again = (
        without_timings(json.loads((folder / "results.json").read_text()))
        for folder in (finished, workdir)
    )
    assert again == whole
    for name in ("metrics.jsonl", "prior/metrics.jsonl", "generated.jsonl"):
        assert (workdir / name).read_bytes() == (finished / name).read_bytes(), name
    ledgers = [read_lines(folder / "ledger.jsonl") for folder in (finished, workdir)]
    assert without_timings(ledgers[1]) == without_timings(ledgers[0])


def steps_in(folder):
    if not folder.is_dir():
        return []
    return [path for path in folder.iterdir() if path.name.isdigit()]


def wait_for(process, condition):
    limit = time.monotonic() + 200
    while not condition():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < limit
        time.sleep(0.005)
