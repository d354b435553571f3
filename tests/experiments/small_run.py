"""Whole programs as processes, and one finished run that many tests read."""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
import pathlib
import subprocess
import sys
from typing import Any

import pytest

ROOT = pathlib.Path(__file__).parents[2]

# The whole chain, as small as it goes.
SMALL = (
    "--config=configs/gnn.py:tiny",
    "--config.data.count=800",
    "--config.model.channels=4",
    "--config.model.num_codes=8",
    "--config.model.width=16",
    "--config.model.hidden=16",
    "--config.train.epochs=8",
    "--config.train.batch_size=64",
    "--config.train.save_every_epochs=1",
    "--config.counts.max_parents=1",
    "--config.counts.polish_steps=4",
    "--config.generation.count=60",
    "--config.generation.speed_batch=64",
    "--config.prior.enabled=true",
    "--config.prior.hardware=params",
    "--config.prior.width=16",
    "--config.prior.num_heads=2",
    "--config.prior.num_layers=1",
    "--config.prior.epochs=4",
    "--config.prior.batch_size=64",
    "--config.prior.save_every_epochs=1",
    "--config.ask.count=40",
    # Quicker to compile than the default, which every main job runs.
    "--config.search.methods=('evolution','random')",
    "--config.search.budget=24",
    "--config.search.save_every=4",
)
BUDGET, COUNT, EPOCHS = 24, 60, 8


@dataclasses.dataclass(frozen=True)
class Ended:
    """A process that ended."""

    status: int
    stderr: str

    @property
    def last(self) -> str:
        return self.stderr.splitlines()[-1]


@dataclasses.dataclass(frozen=True)
class Programs:
    """Starts ``experiments.<space>``; all processes share what they compile."""

    environment: dict[str, str]

    def start(self, *arguments: Any, space: str = "gnn") -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", f"experiments.{space}", *map(str, arguments)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=self.environment,
        )

    def finish(self, *arguments: Any, space: str = "gnn") -> Ended:
        process = self.start(*arguments, space=space)
        try:
            _, stderr = process.communicate(timeout=300)
        finally:
            process.kill()
        assert "Traceback" not in stderr, stderr
        return Ended(process.returncode, stderr)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A folder of all the workers of a parallel test run."""
    own = tmp_path_factory.getbasetemp()
    root = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    folder = root / "experiments"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def programs(shared: pathlib.Path) -> Programs:
    removed = ("PNAG_BENCHMARK_DIR",)
    kept = {name: value for name, value in os.environ.items() if name not in removed}
    cache = {
        "JAX_PLATFORMS": "cpu",
        "JAX_COMPILATION_CACHE_DIR": str(shared / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    return Programs({**kept, **cache})


@pytest.fixture(scope="session")
def finished(programs: Programs, shared: pathlib.Path) -> pathlib.Path:
    """The workdir of a run that was never interrupted: of one worker for all.

    Programs that lock it would get into each other's way: only one test starts
    one there, the others take a copy.
    """
    workdir = shared / "finished"
    with open(shared / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (workdir / "results.json").exists():
            ended = programs.finish(*SMALL, f"--workdir={workdir}")
            assert ended.status == 0, ended.stderr
    return workdir


def without_timings(results: Any) -> Any:
    """Results but for what the clock and the machine's load decide."""
    if isinstance(results, dict):
        dropped = ("seconds", "architectures_per_second")
        return {
            key: without_timings(value)
            for key, value in results.items()
            if not any(word in key for word in dropped)
        }
    return [without_timings(x) for x in results] if isinstance(results, list) else results


def read_lines(path: pathlib.Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]
