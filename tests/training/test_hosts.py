"""Several processes as one run."""

import json
import os
import pathlib
import re
import subprocess
import sys

import jax
import numpy as np
import pytest
import together
import toy

from pnag_jax.errors import DataError, UserError
from pnag_jax.training import hosts, metrics
from pnag_jax.training.checkpoints import Checkpoints
from pnag_jax.training.loop import fit
from pnag_jax.training.metrics import MetricsWriter


@pytest.mark.parametrize(
    ("environment", "several"),
    [
        ({}, False),
        ({"JAX_COORDINATOR_ADDRESS": "a:1"}, True),
        ({"OMPI_COMM_WORLD_SIZE": "1"}, False),
        ({"OMPI_COMM_WORLD_SIZE": "2"}, True),
        ({"SLURM_NTASKS": "4"}, False),  # the shell of an allocation
        ({"SLURM_NTASKS": "4", "SLURM_STEP_NODELIST": "n[1-4]"}, True),
        ({"SLURM_NTASKS": "1", "SLURM_STEP_NODELIST": "n1"}, False),
        ({"TPU_WORKER_HOSTNAMES": "localhost"}, False),
        ({"TPU_WORKER_HOSTNAMES": "t0,t1"}, True),
        ({"MEGASCALE_NUM_SLICES": "2"}, True),
    ],
)
def test_launchers_are_known_by_what_they_set(environment, several):
    assert hosts.detected(environment) == several


def test_alone_everything_is_ones_own():
    tree = {"a": np.arange(3), "key": jax.random.key(1)}
    assert hosts.leads() and hosts.count() == 1 and hosts.index() == 0
    assert hosts.told(tree) is tree
    assert hosts.highest(-3) == -3
    assert hosts.texts("x") == ["x"]
    assert hosts.gathered(tree) == [tree]
    hosts.require_same(tree["a"], "numbers")
    hosts.agree(None)
    with pytest.raises(DataError, match="mine"):
        hosts.agree(DataError("mine"))
    with pytest.raises(ZeroDivisionError), hosts.together():
        _ = 1 / 0


def test_processes_that_hold_other_numbers_are_named(monkeypatch):
    monkeypatch.setattr(hosts, "texts", lambda text: [text, text, "another"])
    with pytest.raises(UserError, match="process 2 and process 0 differ in the labels"):
        hosts.require_same({"x": np.ones(2)}, "the labels")


def test_a_fault_of_one_process_is_one_of_all(monkeypatch):
    monkeypatch.setattr(hosts, "count", lambda: 3)
    monkeypatch.setattr(hosts, "texts", lambda text: [text, "", '[3, "torn"]'])
    with pytest.raises(DataError, match="torn"):
        hosts.agree(None)
    with pytest.raises(UserError, match="first"):
        hosts.agree(UserError("first"))


def final(folder):
    target = jax.eval_shape(lambda: {"key": jax.random.key(0), "state": toy.make_state()})
    step, tree = Checkpoints(folder / "checkpoints").restore(target)
    return step, jax.device_get(tree["state"].params)


def test_two_processes_train_what_one_does_and_go_on_after_a_kill(tmp_path):
    """Eight devices in two processes and in one; by pmap up to the kill, then by mesh."""
    ended = subprocess.run(
        [sys.executable, pathlib.Path(together.__file__), tmp_path / "two"],
        capture_output=True,
        text=True,
        env={**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": toy.ROOT},
        timeout=300,
    )
    assert ended.returncode == 0, ended.stderr
    said = json.loads(ended.stdout.splitlines()[-1])
    assert said["killed"][0] not in (0, -9) and said["killed"][1] == -9
    assert said["seconds"] < 120
    assert said["resumed"] == [0, 0], ended.stderr
    # By our line or by JAX's, whichever notices first.
    assert re.search("another process ended|another task died", ended.stderr)

    two, one = tmp_path / "two/0", tmp_path / "one"
    one.mkdir()
    with MetricsWriter(one) as writer:
        fit(
            toy.make_epoch("pmap", 8),
            toy.make_state(),
            toy.make_data(),
            key=jax.random.key(1),
            num_epochs=together.EPOCHS,
            checkpoints=Checkpoints(one / "checkpoints"),
            metrics=writer,
            log_every=1,
        )
    got, want = (metrics.read(folder / "metrics.jsonl") for folder in (two, one))
    assert [line["step"] for line in got] == list(range(1, 53))
    for name in ("loss", "gradient_norm"):
        values = [[line[name] for line in lines] for lines in (got, want)]
        np.testing.assert_allclose(*values, rtol=1e-5)
    (step, params), (wanted_step, wanted) = final(two), final(one)
    assert step == wanted_step == 52
    for a, b in zip(jax.tree.leaves(params), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)
    # The other process has saved in the folder of the first, or not at all.
    assert not (tmp_path / "two/1/checkpoints").exists()
    assert said["written"] == [0, 1] and together.writers(Checkpoints(two / "checkpoints")) == [0]

    parts = Checkpoints(tmp_path / "two/parts")
    assert parts.steps() == [1] and not list(parts.folder.glob("*.tmp"))
    wide = together.wide()
    _, tree = parts.restore({"state": wide, "count": 0}, strict=True)
    np.testing.assert_array_equal(tree["state"]["kernel"], wide["kernel"])
    of_other = max((parts.folder / "1/arrays/ocdbt.process_1/d").iterdir())
    of_other.write_bytes(of_other.read_bytes()[::-1])
    with pytest.raises(DataError, match=f"{of_other}: its SHA-256 is not"):
        parts.restore({"state": wide, "count": 0})
