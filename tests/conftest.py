"""Test-wide settings: eight fake CPU devices and strict numerics."""

from __future__ import annotations

import os
import pathlib

import jax
import pytest

jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_num_cpu_devices", 8)


# Parameters for which tens of seconds of training or compilation are shared, and
# modules that share such a fixture.
_COSTLY_PARAMETERS = ("any_trained", "method")
_COSTLY_MODULES = ("test_bad_input", "test_benchmark", "test_compare", "test_stage1_step")


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in its own
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that share something costly run in one process (``--dist=loadgroup``)."""
    for item in items:
        group = _group(item)
        if group:
            item.add_marker(pytest.mark.xdist_group(group))


def _group(item: pytest.Item) -> str | None:
    module = item.path.stem
    if module in _COSTLY_MODULES:
        return module
    if "nb201_trained" in getattr(item, "fixturenames", ()):
        return "nb201"
    callspec = getattr(item, "callspec", None)
    values = [callspec.params.get(name) for name in _COSTLY_PARAMETERS] if callspec else []
    return next((str(value) for value in values if value is not None), None)


@pytest.fixture(scope="session")
def benchmark_dir() -> pathlib.Path:
    """The folder of real tables; tests that want it are skipped without one."""
    folder = os.environ.get("PNAG_BENCHMARK_DIR")
    if not folder:
        pytest.skip("PNAG_BENCHMARK_DIR is not set: no folder of benchmark tables")
    return pathlib.Path(folder)
