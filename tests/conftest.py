"""Test-wide settings: eight fake CPU devices and strict numerics."""

from __future__ import annotations

import gc
import os
import pathlib

import jax
import pytest
from xdist.scheduler import LoadFileScheduling

from tests import compilation

compilation.hasten()
# Compiled programs are millions of objects: looking for cycles among them is a
# twentieth of the suite at the usual rate.
gc.set_threshold(100_000, 20, 100)
jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_num_cpu_devices", 8)


@pytest.fixture(scope="session", autouse=True)
def compiled_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What takes long to compile is compiled by one of the processes for all."""
    own = tmp_path_factory.getbasetemp()
    root = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    jax.config.update("jax_compilation_cache_dir", str(root / "compiled"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


@pytest.fixture(scope="session")
def benchmark_dir() -> pathlib.Path:
    """The folder of real tables; tests that want it are skipped without one."""
    folder = os.environ.get("PNAG_BENCHMARK_DIR")
    if not folder:
        pytest.skip("PNAG_BENCHMARK_DIR is not set: no folder of benchmark tables")
    return pathlib.Path(folder)


# Folders of which the files share what takes long to train or to compile.
TOGETHER = ("tests/generation/", "tests/experiments/")


class Together(LoadFileScheduling):
    """A file stays in one process, and so do the files of some folders."""

    def _split_scope(self, nodeid: str) -> str:
        shared = (folder for folder in TOGETHER if nodeid.startswith(folder))
        return next(shared, super()._split_scope(nodeid))


def pytest_xdist_make_scheduler(config, log):
    return Together(config, log)
