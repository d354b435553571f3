"""The public surface of the package."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import tomllib

import pytest

import pnag_jax

ROOT = pathlib.Path(__file__).parents[1]


@pytest.mark.parametrize("name", pnag_jax.__all__)
def test_every_public_name_is_there(name):
    assert getattr(pnag_jax, name) is not None
    assert name in dir(pnag_jax)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = pnag_jax.nonsense


def test_importing_the_package_loads_nothing_heavy():
    code = "import sys, pnag_jax; print([m for m in ('jax', 'numpy') if m in sys.modules])"
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == "[]"


def test_the_version_is_that_of_the_distribution():
    with open(ROOT / "pyproject.toml", "rb") as file:
        assert tomllib.load(file)["project"]["version"] == pnag_jax.__version__
