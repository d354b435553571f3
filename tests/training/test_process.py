"""Whole processes: kill -9 at any moment, signals, two writers."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time

import pytest
import toy

from pnag_jax.training import manifest, metrics, stores
from pnag_jax.training.checkpoints import Checkpoints
from pnag_jax.training.workdir import Workdir


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """Starts a program as its own process."""
    environment = {
        **os.environ,
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": toy.ROOT,
        # All the processes compile the same functions.
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path_factory.mktemp("cache")),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }

    with contextlib.ExitStack() as stack:

        def popen(*arguments, program=toy.__file__):
            process = subprocess.Popen(
                [sys.executable, str(program), *map(str, arguments)],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=environment,
            )
            # A process that hangs ends, and with it the test that waits for its output.
            limit = threading.Timer(120, process.kill)
            limit.start()
            stack.callback(limit.cancel)
            return process

        yield popen


def finish(process, status=0):
    out, err = process.communicate(timeout=120)
    assert process.returncode == status, err
    assert "Traceback" not in err
    return out, err


def wait_for_line(process, line):
    while (got := process.stdout.readline()) != f"{line}\n":
        assert got, process.stderr.read()


def arrays(folder):
    """Newest step, and its orbax arrays, read without this process's JAX."""
    checkpoints = Checkpoints(folder / "checkpoints")
    step = checkpoints.steps()[-1]
    items = manifest.read(checkpoints.folder / str(step)).items
    stored = stores.read(checkpoints.folder / str(step) / "arrays", items, {})
    return step, {name: a.tobytes() for name, a in stored.items()}


def test_kill_9_and_sigterm_then_a_rerun_equals_an_unbroken_run(start, tmp_path):
    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"
    finish(start(unbroken))
    rng = random.Random(time.time_ns())
    for line in (4, 12):
        process = start(broken, "--pause=0.2")
        wait_for_line(process, line)
        # A line comes before its epoch's save: the kill is in the save or soon after.
        time.sleep(rng.uniform(0.02, 0.25))
        process.kill()
        process.communicate()

    process = start(broken, "--pause=1")
    wait_for_line(process, 16)
    process.send_signal(signal.SIGTERM)
    out, err = finish(process, 143)
    assert out == "", "it went on to another epoch"
    saved = broken / "checkpoints"
    assert err.splitlines()[-1] == (
        f"stopped by SIGTERM: step 16 is saved in {saved}; the same command resumes"
    )
    assert Checkpoints(saved).steps()[-1] == 16

    finish(start(broken))
    assert (broken / "metrics.jsonl").read_bytes() == (unbroken / "metrics.jsonl").read_bytes()
    assert arrays(broken) == arrays(unbroken)
    assert [line["step"] for line in metrics.read(broken / "metrics.jsonl")] == [*range(1, 25)]
    assert sorted(p.name for p in saved.iterdir()) == ["20", "24"]
    assert not (broken / ".lock").exists()


def test_a_second_writer_is_refused_and_told_the_first(start, tmp_path):
    with Workdir(tmp_path, program="toy", config={"epochs": 6}):
        _, err = finish(start(tmp_path), 1)
    assert err.splitlines()[-1].startswith(f"{tmp_path}: in use by process {os.getpid()} on host")
    assert not (tmp_path / "metrics.jsonl").exists()


def test_a_second_signal_quits_at_once_while_a_device_computes(start, tmp_path):
    program = tmp_path / "endless.py"
    program.write_text(
        "import jax, jax.numpy as jnp\n"
        "from pnag_jax.training import interrupts\n"
        "endless = jax.jit(lambda x: jax.lax.while_loop(lambda y: y < 2, lambda y: y / 2, x))\n"
        "with interrupts.watch() as interrupt:\n"
        "    compiled = endless.lower(jnp.ones(())).compile()\n"
        "    print('computing', flush=True)\n"
        "    jax.block_until_ready(compiled(jnp.ones(())))\n"
    )
    process = start(program=program)
    wait_for_line(process, "computing")
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    assert process.poll() is None, "one signal only asks"
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=10) == 130
    process.communicate()
