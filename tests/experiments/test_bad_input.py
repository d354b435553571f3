"""What a user may get wrong on the command line: one clear line and a status."""

from __future__ import annotations

import json
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest

from pnag_jax import benchmarks
from tests.experiments.small_run import ROOT, SMALL

# A process for which nobody waits.
ABSENT = ("--coordinator_address=localhost:1", "--process_id=1", "--process_count=2")

# Name: (space, arguments, status, part of the line).
CASES: dict[str, tuple[str, tuple[str, ...], int, str]] = {
    "empty workdir": ("nb201", ("--workdir=",), 2, "--workdir= is empty"),
    "unknown flag": ("nb201", ("--foo=1",), 2, "Unknown command line flag 'foo'"),
    "mode": ("nb201", ("--mode=most",), 2, "<all|train|generate|search|report|transfer>"),
    "strategy": ("nb201", ("--strategy=both",), 2, "<pmap|mesh>"),
    "model axis": ("nb201", ("--config.mesh.model=2",), 2, "accepted with --strategy=mesh"),
    "model axis beyond the devices": (
        *("nb201", ("--config.mesh.model=3", "--strategy=mesh"), 2),
        "config.mesh.model = 3; accepted are divisors of the number of devices, 1: 1",
    ),
    "distributed": ("nb201", ("--distributed=yes",), 2, "<auto|on|off>"),
    "distributed by nobody": ("nb201", ("--distributed=on",), 1, "--coordinator_address"),
    "half an address": (
        *("nb201", ("--process_id=0",), 2),
        "--process_id: --coordinator_address, --process_count must be given too",
    ),
    "an address that is none": (
        *("nb201", ("--coordinator_address=here", "--process_id=0", "--process_count=2"), 2),
        "--coordinator_address=here: accepted is host:port",
    ),
    "process of too few": (
        *("nb201", ("--coordinator_address=a:1", "--process_id=2", "--process_count=2"), 2),
        "--process_id=2: accepted are 0 .. 1",
    ),
    "an address where off": (
        *("nb201", ("--distributed=off", *ABSENT), 2),
        "--distributed=off: --coordinator_address is accepted with auto or on",
    ),
    "compilation cache": (
        *("nb201", ("--compilation_cache={file}/x",), 2),
        "file/x: cannot write: Not a directory",
    ),
    "nobody answers": (
        *("nb201", (*ABSENT, "--connect_seconds=1"), 1),
        "process 1: not all processes met at localhost:1 within 1 seconds",
    ),
    "seed": ("nb201", ("--seed=-1",), 2, "--seed=-1"),
    "count": ("nb201", ("--count=0",), 2, "--count=0"),
    "a word": ("nb201", ("train",), 2, "'train': not a flag"),
    "no such config": ("nb201", ("--config=nowhere.py",), 2, "--config=nowhere.py: no config"),
    "variant": ("nb201", ("--config=configs/nb201.py:big",), 2, "'big' is unknown; accepted are"),
    "config of another space": (
        *("nb201", ("--config=configs/gnn.py",), 2),
        "config.space = 'gnn'; this program runs 'nb201'",
    ),
    "not a config": ("nb201", ("--config=experiments/nb201.py",), 2, "get_config"),
    "config field": (
        *("nb201", ("--config.train.epoch=3",), 2),
        "config.train has no field 'epoch'; accepted are batch_size, epochs,",
    ),
    "config group": ("nb201", ("--config.zz=3",), 2, "config has no field 'zz'; accepted"),
    "field of a field": ("nb201", ("--config.seed.x=3",), 2, "config.seed is a plain value"),
    "type": ("nb201", ("--config.train.epochs=x",), 2, "accepted is a value of type int"),
    "no value": ("nb201", ("--config.train.epochs",), 2, "--config.train.epochs"),
    "epochs": ("nb201", ("--config.train.epochs=0",), 2, "config.train.epochs = 0; accepted are"),
    "NaN": (
        *("nb201", ("--config.train.learning_rate=nan",), 2),
        "config.train.learning_rate = nan; accepted are",
    ),
    "holdout": ("nb201", ("--config.data.holdout=1.0",), 2, "config.data.holdout = 1.0; accepted"),
    "form": ("nb201", ("--config.model.form=odd",), 2, "config.model: form = 'odd'; accepted are"),
    "schedule": ("nb201", ("--config.model.schedule=odd",), 2, "config.model: "),
    "constrained": (
        *("nb201", ("--config.model.constrained=9",), 2),
        "constrained = 9; accepted are 0 .. 6",
    ),
    "method": ("nb201", ("--config.search.methods=magic",), 2, "method 'magic' is unknown"),
    "method twice": (
        *("nb201", ("--config.search.methods=random,random",), 2),
        "accepted are distinct ones of",
    ),
    "batch": (
        *("nb201", ("--config.train.batch_size=99999",), 2),
        "config.train.batch_size = 99999; accepted are numbers from 1 to 13756",
    ),
    "data set": ("nb201", ("--task=mnist@12ep",), 2, "no data set 'mnist'; accepted are cifar10"),
    "protocol": ("nb201", ("--task=cifar10@9ep",), 2, "no protocol or metric '9ep'; accepted are"),
    "search metric": ("nb201", ("--search_metric=luck",), 2, "search_metric 'luck'"),
    "report metric": ("nb201", ("--report_metric=luck",), 2, "report_metric 'luck'"),
    "device without a column": (
        *("nb201", ("--objectives=test_accuracy,latency_ms/pixel9",), 2),
        "no data set 'latency_ms'; accepted are cifar10",
    ),
    "objective without a column": (
        *("nb201", ("--objectives=test_accuracy,speed",), 2),
        "cifar10 has no metric 'speed'; accepted are test_accuracy",
    ),
    "one objective twice": (
        *("nb201", ("--objectives=params,test_accuracy,-params",), 2),
        "params is named twice",
    ),
    "malformed constraint": (
        *("nb201", ("--objectives=test_accuracy,params", "--constraints=params<=1M"), 2),
        "--constraints: 'params<=1M': accepted are METRIC<=NUMBER",
    ),
    "unreachable constraint": (
        *("nb201", ("--objectives=test_accuracy,params", "--constraints=params<=5"), 2),
        "params<=5 is out of reach",
    ),
    "constraint alone": ("nb201", ("--constraints=params<=5",), 2, "say with --objectives"),
    "preference": (
        *("nb201", ("--objectives=test_accuracy,params", "--preference=1"), 2),
        "--preference=1: accepted are 2 positive numbers",
    ),
    "method of one objective": (
        *("nb201", ("--config.objectives.methods=pnag_counts",), 2),
        "accepted are nsga2, pnag_front, random",
    ),
    "budget 0": ("nb201", ("--config.search.budget=0",), 2, "config.search.budget = 0; accepted"),
    "budget": (
        *("nb201", ("--config.search.budget=99999",), 2),
        "config.search.budget = 99999; accepted are 1 .. ",
    ),
    "quality": ("nb201", ("--config.ask.quality=1.5",), 2, "config.ask.quality = 1.5; accepted"),
    "quality without a table": (
        *("macro", ("--config.ask.quality=0.9", "--mode=train"), 2),
        "without a table there is no quality to ask for; accepted is config.ask.limit with params",
    ),
    "device": (
        *("gnn", ("--config.ask.limit=latency_ms/pixel3<=5",), 2),
        "latency_ms/pixel3 is not one of config.prior.hardware; accepted are params, flops",
    ),
    "limit": ("gnn", ("--config.ask.limit=params<5",), 2, "accepted is one <column><=<number>"),
    "prior column": ("gnn", ("--config.ask.quality=1", "--config.prior.quality=a/b"), 2, "a/b"),
    "no prior": (
        *("gnn", (*SMALL, "--workdir={finished}", "--config.prior.width=8"), 2),
        "width was 16 and is 8",
    ),
    "unreachable limit": (
        *("gnn", ("--config.ask.limit=cora/latency<=0",), 2),
        "no measured architecture keeps it; cora/latency is from",
    ),
    "no such folder": ("nb201", ("--benchmark_dir=/nowhere",), 2, "/nowhere: no such folder"),
    "truncated table": ("nb201", ("--benchmark_dir={truncated}",), 3, "nb201.npz"),
    "web page": ("nb201", ("--benchmark_dir={page}",), 3, "nb201.npz"),
    "table of another space": ("nb201", ("--benchmark_dir={macro}",), 3, "nb201.npz"),
    "NaN everywhere": ("macro", ("--benchmark_dir={nan}",), 3, "toy/a: every value is NaN"),
    "nothing trained": ("nb201", ("--mode=generate",), 2, "holds no trained generator"),
    "nothing to search": ("macro", ("--mode=search",), 2, "benchmark 'macro': no table at hand"),
    "task without table": ("macro", ("--task=a@b",), 2, "benchmark 'macro': no table at hand"),
    "transfer from nothing": (
        *("gnn", ("--mode=transfer", "--config.meta=mnist"), 2),
        "config.meta = 'mnist': mnist.npz is not a file of",
    ),
    "transfer without table": ("macro", ("--mode=transfer",), 2, "benchmark 'macro': no table"),
    "transfer width": (
        *("gnn", ("--mode=transfer", "--config.transfer.width=9"), 2),
        "config.transfer.width = 9; accepted are multiples of 8",
    ),
    "workdir is a file": ("nb201", ("--mode=report", "--workdir={file}"), 2, "not a folder"),
    "workdir of another program": (
        *("nb201", ("--mode=report", "--workdir={finished}"), 2),
        "belongs to experiments.gnn, not to experiments.nb201",
    ),
    "another seed": (
        *("gnn", (*SMALL, "--workdir={finished}", "--seed=1"), 2),
        "seed was 0 and is 1",
    ),
    "another model": (
        *("gnn", (*SMALL, "--workdir={finished}", "--config.model.num_codes=16"), 2),
        "model.num_codes was 8 and is 16",
    ),
    "another task": (
        *("gnn", (*SMALL, "--workdir={finished}", "--task=citeseer"), 2),
        'task was "cora@valid" and is "citeseer@valid"',
    ),
    "another count": (
        *("gnn", (*SMALL, "--workdir={finished}", "--count=7"), 2),
        "count was 60 and is 7",
    ),
}


@pytest.fixture(scope="session")
def places(tmp_path_factory, finished) -> dict[str, pathlib.Path]:
    """Files and folders of all kinds."""
    root = tmp_path_factory.mktemp("places")
    genotypes = np.indices((3,) * 8).reshape(8, -1).T
    folders = {name: root / name for name in ("truncated", "page", "macro", "nan")}
    for folder in folders.values():
        folder.mkdir()

    columns = {"toy/a": genotypes.sum(1)}
    good = folders["macro"] / "nb201.npz"
    benchmarks.save_table(good, space="macro", genotypes=genotypes, columns=columns, meta={})
    with np.load(good) as file:
        arrays = dict(file)
    arrays["toy/a"] = np.full_like(arrays["toy/a"], np.nan)
    np.savez(folders["nan"] / "macro.npz", **arrays)
    whole = good.read_bytes()
    (folders["truncated"] / "nb201.npz").write_bytes(whole[: len(whole) // 2])
    (folders["page"] / "nb201.npz").write_text("<html><body>Too many requests</body></html>")
    (root / "file").write_text("")
    copy = shutil.copytree(finished, root / "finished")
    return {**folders, "file": root / "file", "finished": copy, "fresh": root / "fresh"}


@pytest.fixture(scope="session")
def outcomes(programs, places) -> dict[str, tuple[int, str]]:
    commands = [
        [[space, f"--workdir={places['fresh']}/{i}", *(a.format(**places) for a in arguments)]]
        for i, (space, arguments, _, _) in enumerate(CASES.values())
    ]
    done = subprocess.run(
        [sys.executable, pathlib.Path(__file__).with_name("forked.py")],
        input=json.dumps(commands),
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**programs.environment, "PYTHONPATH": str(ROOT)},
        timeout=500,
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(CASES, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize("name", CASES)
def test_one_clear_line_and_the_right_status(name, outcomes):
    _, _, status, part = CASES[name]
    ended, stderr = outcomes[name]
    assert "Traceback" not in stderr, stderr
    assert ended == status, stderr
    lines = stderr.splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: ")
    assert part in lines[0]


def test_refusals_change_nothing_in_a_finished_run(places, programs, outcomes):
    assert outcomes
    ended = programs.finish(*SMALL, f"--workdir={places['finished']}", "--mode=report")
    assert ended.status == 0
    assert ended.last.startswith("nothing left to do")
