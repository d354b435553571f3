"""A comparison of methods on a small table, from flags to files."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import signal
import subprocess
import sys
import types

import numpy as np
import pytest
from absl import flags
from ml_collections import ConfigDict

from configs import macro as macro_config
from experiments import compare, comparison, searching, stage1
from experiments.comparison_plan import Plan
from experiments.comparison_text import as_text
from pnag_jax import benchmarks, generation, methods, spaces
from pnag_jax.benchmarks import Table
from pnag_jax.errors import DataError, UsageError
from pnag_jax.training.interrupts import Interrupt, Interrupted
from tests.experiments.small_table import write_table

BUDGET, SEEDS = 16, 2
TIMINGS = ("seconds_per_seed", "seconds_per_query", "compile_seconds", "pretraining_seconds")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    folder = tmp_path_factory.mktemp("tables")
    return benchmarks.load(str(write_table(folder / "toy.npz")))


def tiny_config() -> ConfigDict:
    config = macro_config.get_config("tiny")
    config.train.epochs = 1
    return config


def make_plan(table: Table, tasks=("toy@seen:true",), methods=("random",), **changed) -> Plan:
    chosen = tuple(benchmarks.get_task(table, name) for name in tasks)
    fields = {"budget": BUDGET, "seeds": SEEDS, "config": tiny_config(), **changed}
    return Plan(table=table, tasks=chosen, methods=tuple(methods), **fields)


def without_timings(results: dict) -> list[dict]:
    return [{k: v for k, v in row.items() if k not in TIMINGS} for row in results["search"]]


TASKS = ("toy@seen:true", "toy@true")
METHODS = ("random", "marginal_eda")


@pytest.fixture(scope="module")
def finished(table: Table, tmp_path_factory) -> tuple[pathlib.Path, dict]:
    folder = tmp_path_factory.mktemp("finished")
    return folder, comparison.run(make_plan(table, TASKS, METHODS), folder)


def test_a_run_leaves_rows_curves_ledger_and_page(finished):
    folder, results = finished
    assert json.loads((folder / "results.json").read_text()) == results
    pairs = [(row["task"], row["method"]) for row in results["search"]]
    assert pairs == [(task, method) for task in TASKS for method in METHODS]
    for row in results["search"]:
        assert row["budget"] == BUDGET and row["seeds"] == SEEDS and row["seconds_per_seed"] > 0
        assert row["mean"][-1] == row["curves"][row["method"]]["mean"][-1]
        assert len(row["curves"][row["method"]]["std"]) == BUDGET
        assert row["pretraining_seconds"] is None
    first, second = results["search"][:2]
    assert first["optimum"] == 80.0
    assert second["uniform_mean"] == first["mean"]
    for key in ("training", "pretraining", "generation", "transfer", "best"):
        assert results[key] is None
    lines = [json.loads(line) for line in (folder / "ledger.jsonl").read_text().splitlines()]
    assert len(lines) == len(pairs) * SEEDS * BUDGET
    assert [line["order"] for line in lines[: BUDGET + 1]] == [*range(1, BUDGET + 1), 1]
    assert spaces.get("macro").from_string(lines[0]["architecture"]).shape == (8,)
    logged = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in logged] == list(range(1, BUDGET + 1))
    assert logged[-1]["toy_true/random"] == results["search"][2]["mean"][-1]
    assert "data:image/png" in (folder / "report.html").read_text()


def test_the_same_command_returns_at_once(table, finished, monkeypatch):
    folder, results = finished
    page = folder / "report.html"
    written = page.stat().st_mtime_ns
    monkeypatch.setattr(searching, "run_method", lambda *args, **kwargs: pytest.fail("searched"))
    assert comparison.run(make_plan(table, TASKS, METHODS), folder) == results
    assert page.stat().st_mtime_ns == written


def test_killed_between_searches_the_rerun_equals_an_unbroken_run(
    table, finished, tmp_path, monkeypatch
):
    _, unbroken = finished
    real, calls = searching.run_method, []

    def dies(name, *args, **kwargs):
        calls.append(name)
        if len(calls) == 3:
            raise MemoryError("killed")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(searching, "run_method", dies)
    plan = make_plan(table, TASKS, METHODS)
    with pytest.raises(MemoryError):
        comparison.run(plan, tmp_path)
    assert not (tmp_path / "results.json").exists()
    resumed = comparison.run(plan, tmp_path)
    # Two were finished; the third was begun again, the fourth followed.
    assert calls == ["random", "marginal_eda", "random", "random", "marginal_eda"]
    assert without_timings(resumed) == without_timings(unbroken)


def test_a_signal_saves_in_the_middle_of_a_search(table, finished, tmp_path):
    _, unbroken = finished
    interrupt = Interrupt()
    interrupt.signum = signal.SIGTERM
    plan = make_plan(table, TASKS, METHODS)
    with pytest.raises(Interrupted, match="round 1 of random is saved"):
        comparison.run(plan, tmp_path, interrupt=interrupt)
    assert without_timings(comparison.run(plan, tmp_path)) == without_timings(unbroken)


def test_a_method_that_is_added_leaves_the_others(table, tmp_path):
    first = comparison.run(make_plan(table), tmp_path)
    both = comparison.run(make_plan(table, methods=("random", "evolution")), tmp_path)
    assert both["search"][0] == first["search"][0]
    assert [row["method"] for row in both["search"]] == ["random", "evolution"]
    # One task: the best architectures of the method that leads.
    assert both["best"][0]["search_value"] == max(e["search_value"] for e in both["best"])


def test_another_budget_or_table_is_refused(finished, table, tmp_path):
    folder, _ = finished
    with pytest.raises(UsageError, match=r"budget was 16 and is 12"):
        comparison.run(make_plan(table, TASKS, METHODS, budget=12), folder)
    other = benchmarks.load(str(write_table(tmp_path / "toy.npz", shift=1.0)))
    with pytest.raises(UsageError, match="measurements was"):
        comparison.run(make_plan(other, TASKS, METHODS), folder)


def test_the_generator_is_trained_once_and_its_seconds_are_told(table, tmp_path, monkeypatch):
    """Training and the methods that need it have tests of their own; here they are quick."""
    generator = types.SimpleNamespace(decoder=np.zeros(2))
    summary = {"steps": 40, "seconds": 12.5, "loss": 0.5}
    trained, given = [], []

    def train(config, space, *, workdir_path, key, **options):
        trained.append((config.space, space.name, pathlib.Path(workdir_path).name))
        data = generation.Split(np.zeros((540, 8)), np.zeros((60, 8)))
        return stage1.Trained(None, None, data, summary)

    def taking(field, names):
        return tuple(name for name in names if (field, name) == ("generator", "marginal_eda"))

    def method_config(method, found, space):
        given.append((method.name, found.generator))
        return {}

    monkeypatch.setattr(stage1, "train", train)
    monkeypatch.setattr(stage1, "build", lambda key, config, trained: generator)
    monkeypatch.setattr(searching, "taking", taking)
    monkeypatch.setattr(searching, "method_config", method_config)
    plan = make_plan(table, TASKS, METHODS)
    folder = tmp_path / "work"
    results = comparison.run(plan, folder)
    assert trained == [("macro", "macro", "generator")]
    assert given == [("random", None), ("marginal_eda", generator)] * 2
    pretraining = results["pretraining"]
    assert pretraining["train_seconds"] == 12.5 < pretraining["seconds"]
    assert pretraining["labels"] == 0 and pretraining["architectures"] == 540
    told = [row["pretraining_seconds"] for row in results["search"]]
    assert told == [None, pretraining["seconds"]] * 2
    assert results["training"] == summary
    assert "generator (marginal_eda): 12.5 s on 540 architectures, 0 labels" in as_text(results)
    assert comparison.run(plan, folder) == results
    assert len(trained) == 1  # a finished run needs no generator
    changed = plan.config.copy_and_resolve_references()
    changed.train.epochs = 2
    with pytest.raises(UsageError, match=r"train\.epochs was 1 and is 2"):
        comparison.run(dataclasses.replace(plan, config=changed), folder)


def test_the_text_says_what_searches_began_with(finished):
    _, results = finished
    assert "hint" not in as_text(results)
    hint = {"score": "flops", "architectures": 512, "labels": 0, "seconds": 0.25}
    first, *others = results["search"]
    hinted = as_text({**results, "search": [{**first, "hint": hint}, *others]})
    said = "(random): flops, 0.2 s on 512 architectures, 0 labels"
    assert f"hint of untrained networks {said}" in hinted


def test_the_text_has_a_table_a_task(finished):
    _, results = finished
    lines = as_text(results).splitlines()
    heads = [line for line in lines if line.startswith("method")]
    assert [head.split() for head in heads] == [
        ["method", "16", "to", "optimum", "invalid", "s/seed"]
    ] * 2
    row = next(line for line in lines if line.startswith("marginal_eda"))
    mean, std = (results["search"][1][key][-1] for key in ("mean", "std"))
    assert f"{mean:.2f} ± {std:.2f}" in row


def test_a_median_that_was_never_reached_is_infinite(finished):
    _, results = finished
    row = {**results["search"][0], "median_queries_to_optimum": None, "mean": [None]}
    line = as_text({**results, "search": [row]}).splitlines()[5]
    assert line.split()[1:5] == ["-", "±", f"{row['std'][0]:.2f}", "inf"]


def flag_values(*words: str) -> flags.FlagValues:
    values = flags.FlagValues()
    compare.define_flags(values)
    values(["compare", *words])
    return values


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--budget=0"], r"--budget=0: accepted are 1 \.\. "),
        (["--budget=99999"], r"--budget=99999: accepted are 1 \.\. "),
        (["--tasks=toy@twice"], "'twice'; accepted are"),
        (["--tasks=toy@seen,toy@seen"], "--tasks=toy@seen,toy@seen: accepted are"),
        (["--tasks="], "--tasks=: accepted are"),
        (["--methods=random,simulated"], "'simulated' is unknown; accepted are"),
        (["--search_metric=acc"], "search_metric 'acc': .* accepted are seen, true"),
        (["--report_metric=acc"], "report_metric 'acc': .* accepted are seen, true"),
        (["--benchmark=atlas"], "'atlas' is unknown; accepted are"),
        (["--benchmark_dir=/nowhere"], "/nowhere: no such folder"),
    ],
)
def test_bad_input_names_flag_value_and_accepted(table, tmp_path, words, message):
    path = table.source.split(" (")[0]
    given = [] if any("--benchmark=" in word or "dir" in word for word in words) else [path]
    benchmark = [f"--benchmark={path}" for path in given] or ["--benchmark=nb201"]
    folder = tmp_path / "work"
    with pytest.raises(UsageError, match=message):
        comparison.run(
            compare.make_plan(
                flag_values(*benchmark, f"--workdir={folder}", "--methods=random", *words)
            ),
            folder,
        )
    assert not folder.exists()


def test_a_damaged_table_is_damaged_data(tmp_path):
    path = tmp_path / "toy.npz"
    path.write_bytes(b"<html>")
    with pytest.raises(DataError, match="toy"):
        compare.make_plan(flag_values(f"--benchmark={path}", f"--workdir={tmp_path}"))


def test_a_generator_needs_a_config_of_the_space(table, tmp_path):
    with pytest.raises(UsageError, match="--config=FILE"):
        comparison.run(make_plan(table, methods=("pnag_counts",), config=None), tmp_path)


def test_flags_make_the_plan(table):
    values = flag_values(
        f"--benchmark={table.source.split(' (')[0]}",
        "--workdir=unused",
        "--tasks=toy@seen, toy@true",
        "--methods=evolution,random",
        "--report_metric=true",
        "--budget=24",
        "--seeds=3",
        "--seed=5",
    )
    with pytest.raises(UsageError, match="distinct"):  # both report the same metric
        compare.make_plan(flag_values(*["--benchmark=nb201", "--workdir=x", "--tasks=a,a"]))
    plan = compare.make_plan(values)
    assert [task.name for task in plan.tasks] == ["toy@seen:true", "toy@true"]
    assert plan.methods == ("evolution", "random")
    assert (plan.budget, plan.seeds, plan.seed) == (24, 3, 5)
    assert plan.config.space == "macro"


def test_without_a_package_its_method_is_left_out_unless_it_is_named(
    table, tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, "optuna", None)
    words = [f"--benchmark={table.source.split(' (')[0]}", f"--workdir={tmp_path / 'work'}"]
    plan = compare.make_plan(flag_values(*words))
    assert set(methods.names()) - set(plan.methods) == {"tpe"}
    told = "left out, as a package is missing: tpe (pip install 'pnag_jax[compare]')\n"
    assert capsys.readouterr().err == told
    named = compare.make_plan(flag_values(*words, "--methods=random,tpe"))
    assert capsys.readouterr().err == ""
    with pytest.raises(UsageError, match="method tpe needs the package optuna"):
        comparison.run(named, tmp_path / "work")
    assert not (tmp_path / "work").exists()


def test_the_program_ends_with_one_line_and_status_2(tmp_path):
    done = subprocess.run(
        [
            *(sys.executable, "-m", "experiments.compare", "--benchmark=nb201"),
            *("--seeds=0", f"--workdir={tmp_path}"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "error: flag --seeds=0: 0 is not an integer in the range [1, 10000]"
    ]
    assert not done.stdout


def test_another_seed_is_another_search(table, tmp_path):
    found = [
        comparison.run(make_plan(table, seed=seed), tmp_path / str(seed))["search"][0]["curves"]
        for seed in (0, 1)
    ]
    assert found[0] != found[1]
