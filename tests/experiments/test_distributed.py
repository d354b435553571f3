"""Programs as several processes: who is refused, who writes, what comes out."""

from __future__ import annotations

import json
import pathlib
import shutil
import socket
import subprocess
import sys

import chex
import numpy as np
import pytest

from pnag_jax.training import manifest, stores
from pnag_jax.training.checkpoints import Checkpoints
from pnag_jax.training.interrupts import Interrupted
from tests.experiments import small_training
from tests.experiments.small_run import ROOT, SMALL


def together(port: int, number: int) -> tuple[str, ...]:
    address = f"--coordinator_address=localhost:{port}"
    return (address, f"--process_id={number}", "--process_count=2")


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("localhost", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.fixture(scope="module")
def workdirs(finished, tmp_path_factory) -> list[pathlib.Path]:
    """Of a run that has but to search, for the first process, and of nothing, for the second."""
    folder = tmp_path_factory.mktemp("together")
    searched = shutil.ignore_patterns("search*", "results.json", "report.html", "ledger.jsonl")
    return [shutil.copytree(finished, folder / "0", ignore=searched), folder / "1"]


# Ten trainings, of which nine go together.
GROUP = "--group=9"


def trained(workdir, **more):
    """By this one process, on as many devices."""
    with pytest.MonkeyPatch.context() as patch:
        small_training.use_toys(patch.setattr)
        return small_training.finish(workdir, GROUP, **more)


@pytest.fixture(scope="module")
def begun(tmp_path_factory) -> pathlib.Path:
    """The folder of trainings that one process was stopped in, within the first group."""
    folder = tmp_path_factory.mktemp("begun")
    with pytest.raises(Interrupted):
        trained(folder, interrupt=small_training.Signals(left=0))
    return folder


@pytest.fixture(scope="module")
def outcomes(programs, workdirs, begun) -> list[tuple[int, str]]:
    same, other, third = free_ports(3)
    searches = (
        *(flag for flag in SMALL if "methods" not in flag),
        "--config.search.methods=random",
    )
    trains = (*small_training.SMALL, GROUP, "--cpu_devices=4", f"--workdir={begun}")
    groups = [
        [["gnn", *searches, f"--workdir={workdirs[i]}", *together(same, i)] for i in (0, 1)],
        [["gnn", f"--seed={i}", f"--workdir={workdirs[1]}", *together(other, i)] for i in (0, 1)],
        [["train_architectures", *trains, *together(third, i)] for i in (0, 1)],
    ]
    done = subprocess.run(
        [sys.executable, pathlib.Path(__file__).with_name("forked.py")],
        input=json.dumps(groups),
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**programs.environment, "PYTHONPATH": str(ROOT)},
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    # Before its last line libraries write to the same standard output.
    return json.loads(done.stdout.splitlines()[-1])


def searched(folder: pathlib.Path) -> dict[str, np.ndarray]:
    """The newest checkpoint of the search by ``random``, but for what the clock says."""
    found = Checkpoints(folder / "checkpoints/search-random")
    kept = found.folder / str(found.steps()[-1])
    stored = stores.read(kept / "arrays", manifest.read(kept).items, {})
    clocks = ("['seconds']", "['elapsed']")
    return {name: x for name, x in stored.items() if not name.endswith(clocks)}


def test_seeds_on_two_processes_find_what_they_find_on_one(workdirs, outcomes, finished):
    """The first process alone speaks and keeps."""
    (leads, said), (follows, heard) = outcomes[:2]
    assert (leads, follows) == (0, 0), said + heard
    assert "generation: " in said and "search: " in said
    assert "generation: " not in heard and "search: " not in heard
    assert not workdirs[1].exists()
    for name in ("generated.jsonl", "metrics.jsonl"):
        assert (workdirs[0] / name).read_bytes() == (finished / name).read_bytes()
    chex.assert_trees_all_equal(searched(workdirs[0]), searched(finished))
    found, want = (json.loads((f / "results.json").read_text()) for f in (workdirs[0], finished))
    assert found["environment"]["host_count"] == 2
    assert found["search"]["curves"]["random"] == want["search"]["curves"]["random"]


def test_processes_that_are_started_differently_are_refused(outcomes):
    message = "process 0 and process 1 were started differently: config.seed was 0 and is 1"
    assert [status for status, _ in outcomes[2:4]] == [2, 2]
    for who, (_, stderr) in zip(("error", "error in process 1"), outcomes[2:4], strict=True):
        assert stderr.splitlines()[-1] == f"{who}: {message}"


def test_architectures_that_two_processes_train_come_out_as_of_one(begun, outcomes, tmp_path):
    """Eight devices in one process and in two, which go on where another one was stopped."""
    (leads, said), (follows, heard) = outcomes[4:]
    assert (leads, follows) == (0, 0), said + heard
    assert "best by validation" in said and "best by validation" not in heard
    one = trained(tmp_path)
    results = json.loads((begun / "results.json").read_text())
    assert results["best"] == one["best"] and results["environment"]["host_count"] == 2
    metrics = "metrics.jsonl"
    assert (begun / metrics).read_bytes() == (tmp_path / metrics).read_bytes()
    tables = [np.load(folder / "table.npz") for folder in (begun, tmp_path)]
    for name in set(tables[0].files) - {"meta"}:
        np.testing.assert_array_equal(*(table[name] for table in tables))
    assert [folder.name for folder in (begun / "checkpoints").iterdir()] == ["finished"]
