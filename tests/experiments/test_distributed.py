"""Programs as several processes: who is refused, who writes."""

from __future__ import annotations

import json
import pathlib
import shutil
import socket
import subprocess
import sys

import pytest

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
    """Of a finished run, for the first process, and of nothing, for the second."""
    folder = tmp_path_factory.mktemp("together")
    return [shutil.copytree(finished, folder / "0"), folder / "1"]


@pytest.fixture(scope="module")
def outcomes(programs, workdirs) -> list[tuple[int, str]]:
    same, other = free_ports(2)
    groups = [
        [["gnn", *SMALL, f"--workdir={workdirs[i]}", *together(same, i)] for i in (0, 1)],
        [["gnn", f"--seed={i}", f"--workdir={workdirs[1]}", *together(other, i)] for i in (0, 1)],
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


def test_of_a_finished_run_the_first_process_alone_speaks(workdirs, outcomes, finished):
    (leads, said), (follows, heard) = outcomes[:2]
    assert (leads, follows) == (0, 0), said + heard
    assert "generation: " in said and said.splitlines()[-1].startswith("nothing left to do: ")
    assert "generation: " not in heard and "left to do" not in heard
    assert not workdirs[1].exists()
    for name in ("results.json", "generated.jsonl", "metrics.jsonl"):
        assert (workdirs[0] / name).read_bytes() == (finished / name).read_bytes()


def test_processes_that_are_started_differently_are_refused(outcomes):
    message = "process 0 and process 1 were started differently: config.seed was 0 and is 1"
    assert [status for status, _ in outcomes[2:]] == [2, 2]
    for who, (_, stderr) in zip(("error", "error in process 1"), outcomes[2:], strict=True):
        assert stderr.splitlines()[-1] == f"{who}: {message}"
