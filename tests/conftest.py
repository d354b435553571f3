"""Test-wide settings: eight fake CPU devices and strict numerics."""

from __future__ import annotations

import os
import pathlib

import jax
import pytest

jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_num_cpu_devices", 8)


@pytest.fixture(scope="session")
def benchmark_dir() -> pathlib.Path:
    """The folder of real tables; tests that want it are skipped without one."""
    folder = os.environ.get("PNAG_BENCHMARK_DIR")
    if not folder:
        pytest.skip("PNAG_BENCHMARK_DIR is not set: no folder of benchmark tables")
    return pathlib.Path(folder)
