"""Test-wide settings: eight fake CPU devices and strict numerics."""

from __future__ import annotations

import os
import pathlib

import jax
import pytest

# The suite compiles much and computes little: plain code, made quickly, halves
# its time.  Later releases may not know these flags, and would end on them.
if jax.__version_info__[:2] == (0, 10):
    quick = (
        "--xla_backend_optimization_level=0"
        " --xla_cpu_use_fusion_emitters=false"
        " --xla_cpu_parallel_codegen_split_count=1"
    )
    # What the caller asks for comes last and counts.
    os.environ["XLA_FLAGS"] = f"{quick} {os.environ.get('XLA_FLAGS', '')}"

jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_num_cpu_devices", 8)


@pytest.fixture(scope="session")
def benchmark_dir() -> pathlib.Path:
    """The folder of real tables; tests that want it are skipped without one."""
    folder = os.environ.get("PNAG_BENCHMARK_DIR")
    if not folder:
        pytest.skip("PNAG_BENCHMARK_DIR is not set: no folder of benchmark tables")
    return pathlib.Path(folder)
