"""Programs as several processes: who is refused, who writes, what comes out."""

from __future__ import annotations

import json
import pathlib
import shutil
import socket
import subprocess
import sys

import numpy as np
import pytest
from absl import flags

from experiments import compare, comparison
from pnag_jax.training import manifest, stores
from pnag_jax.training.checkpoints import Checkpoints
from pnag_jax.training.interrupts import Interrupted
from tests.experiments import small_training
from tests.experiments.small_run import ROOT, SMALL, read_lines, without_timings
from tests.experiments.small_table import write_table


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


# How architectures are trained: ten trainings of which nine go together; three of two.
TRAININGS = {
    "population": ("--group=9",),
    "alone": (small_training.ALONE, "--archs=random:3"),
}


def trained(workdir, how, **more):
    """By this one process, on as many devices."""
    with pytest.MonkeyPatch.context() as patch:
        small_training.use_toys(patch.setattr, *TRAININGS[how])
        return small_training.finish(workdir, *TRAININGS[how], **more)


@pytest.fixture(scope="module")
def begun(tmp_path_factory) -> dict[str, pathlib.Path]:
    """Folders of trainings that one process was stopped in, within the first group."""
    folders = {how: tmp_path_factory.mktemp("begun") / how for how in TRAININGS}
    for folder, how in zip(folders.values(), TRAININGS, strict=True):
        with pytest.raises(Interrupted):
            trained(folder, how, interrupt=small_training.Signals(left=0))
    return folders


@pytest.fixture(scope="module")
def compared(tmp_path_factory) -> tuple[tuple[str, ...], pathlib.Path]:
    """Flags of a comparison, and the folder of two processes that run it."""
    folder = tmp_path_factory.mktemp("compared")
    table = write_table(folder / "toy.npz")
    methods = "--methods=random,marginal_eda"
    return (f"--benchmark={table}", methods, "--budget=8", "--seeds=3"), folder / "two"


@pytest.fixture(scope="module")
def outcomes(programs, workdirs, begun, compared) -> list[tuple[int, str]]:
    same, other, searching, *ports = free_ports(3 + len(begun))
    groups = [
        [["gnn", *SMALL, f"--workdir={workdirs[i]}", *together(same, i)] for i in (0, 1)],
        [["gnn", f"--seed={i}", f"--workdir={workdirs[1]}", *together(other, i)] for i in (0, 1)],
    ]
    given, folder = compared
    groups.append(
        [["compare", *given, f"--workdir={folder}", *together(searching, i)] for i in (0, 1)]
    )
    for port, (how, folder) in zip(ports, begun.items(), strict=True):
        given = (*small_training.SMALL, "--group=4", *TRAININGS[how], "--cpu_devices=4")
        groups.append(
            [
                ["train_architectures", *given, f"--workdir={folder}", *together(port, i)]
                for i in (0, 1)
            ]
        )
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


def assert_same_searches(folder, other):
    """But for the clock's, the newest checkpoints of two searches hold the same bits."""
    steps = [Checkpoints(each).steps()[-1] for each in (folder, other)]
    assert steps[0] == steps[1]
    trees = []
    for each in (folder, other):
        kept = each / str(steps[0])
        trees.append(stores.read(kept / "arrays", manifest.read(kept).items, {}))
    assert trees[0].keys() == trees[1].keys()
    for name in trees[0]:
        if not name.endswith(("['seconds']", "['elapsed']")):
            np.testing.assert_array_equal(trees[0][name], trees[1][name], err_msg=name)


def test_seeds_on_two_processes_find_what_they_find_on_one(workdirs, outcomes, finished):
    """By a generator that the first process reads; it alone speaks and keeps."""
    (leads, said), (follows, heard) = outcomes[:2]
    assert (leads, follows) == (0, 0), said + heard
    assert "generation: " in said and "search: " in said
    assert "generation: " not in heard and "search: " not in heard
    assert not workdirs[1].exists()
    for name in ("generated.jsonl", "metrics.jsonl"):
        assert (workdirs[0] / name).read_bytes() == (finished / name).read_bytes()
    ledgers = [read_lines(folder / "ledger.jsonl") for folder in (workdirs[0], finished)]
    assert without_timings(ledgers[0]) == without_timings(ledgers[1])
    found, want = (json.loads((f / "results.json").read_text()) for f in (workdirs[0], finished))
    assert found.pop("environment")["host_count"] == 2 and want.pop("environment")
    assert without_timings(found) == without_timings(want)
    for name in ("pnag_counts", "random"):
        folders = [folder / f"checkpoints/search-{name}" for folder in (workdirs[0], finished)]
        assert_same_searches(*folders)


def test_processes_that_are_started_differently_are_refused(outcomes):
    message = "process 0 and process 1 were started differently: config.seed was 0 and is 1"
    assert [status for status, _ in outcomes[2:4]] == [2, 2]
    for who, (_, stderr) in zip(("error", "error in process 1"), outcomes[2:4], strict=True):
        assert stderr.splitlines()[-1] == f"{who}: {message}"


def test_a_comparison_by_two_processes_is_that_of_one(outcomes, compared, tmp_path):
    """Two of three seeds in one process and one in the other."""
    (leads, said), (follows, heard) = outcomes[4:6]
    assert (leads, follows) == (0, 0), said + heard
    assert "report: " in said and "report: " not in heard
    given, folder = compared
    values = flags.FlagValues()
    compare.define_flags(values)
    values(["program", *given, f"--workdir={tmp_path}"])
    want = comparison.run(compare.make_plan(values), tmp_path)
    found = json.loads((folder / "results.json").read_text())
    assert found["environment"]["host_count"] == 2
    circumstances = {"environment": None, "command": None}
    assert without_timings(found | circumstances) == without_timings(want | circumstances)


@pytest.mark.parametrize("how", TRAININGS)
def test_architectures_that_two_processes_train_come_out_as_of_one(how, begun, outcomes, tmp_path):
    """Eight devices in one process and in two, which go on where another one was stopped."""
    number = 6 + 2 * list(TRAININGS).index(how)
    (leads, said), (follows, heard) = outcomes[number : number + 2]
    assert (leads, follows) == (0, 0), said + heard
    assert "best by validation" in said and "best by validation" not in heard
    one = trained(tmp_path, how)
    results = json.loads((begun[how] / "results.json").read_text())
    assert results["best"] == one["best"] and results["environment"]["host_count"] == 2
    metrics = "metrics.jsonl"
    assert (begun[how] / metrics).read_bytes() == (tmp_path / metrics).read_bytes()
    tables = [np.load(folder / "table.npz") for folder in (begun[how], tmp_path)]
    for name in set(tables[0].files) - {"meta"}:
        np.testing.assert_array_equal(*(table[name] for table in tables))
    kept = (begun[how] / "checkpoints").iterdir()
    assert [folder.name for folder in kept] == ["finished"]
