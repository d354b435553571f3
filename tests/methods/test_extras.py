"""Packages that a plain installation leaves out."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import tomllib

import jax
import pytest

from pnag_jax import methods
from pnag_jax.errors import UsageError
from pnag_jax.methods import forest, tpe

ROOT = pathlib.Path(__file__).parents[2]
# What a plain installation brings.
ALL = "requirements.txt"
NEEDED = [(forest.METHOD, "scikit-learn", "sklearn"), (tpe.METHOD, "optuna", "optuna")]


@pytest.mark.parametrize(("method", "package", "module"), NEEDED)
def test_without_its_package_a_method_is_refused_in_one_line(
    monkeypatch, macro, method, package, module
):
    monkeypatch.setitem(sys.modules, module, None)
    message = (
        f"method {method.name} needs the package {package}, which is not installed:"
        " pip install 'pnag_jax[compare]'"
    )
    for use in (
        lambda: methods.get(method.name),
        lambda: method.init(jax.random.key(0), macro),
    ):
        with pytest.raises(UsageError) as caught:
            use()
        assert str(caught.value) == message and caught.value.exit_code == 2
    assert method.name in methods.names()
    assert set(methods.names()) - set(methods.installed()) == {method.name}


def test_with_all_packages_all_methods_are_there():
    assert methods.installed() == methods.names()


def test_naming_the_methods_imports_no_package():
    code = (
        "import sys; from pnag_jax import methods; methods.names(); methods.get('tpe');"
        " print([m for m in ('optuna', 'sklearn', 'scipy.stats') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_extra_is_among_what_the_tests_need():
    with open(ROOT / "pyproject.toml", "rb") as file:
        dynamic = tomllib.load(file)["tool"]["setuptools"]["dynamic"]
    (path,) = dynamic["optional-dependencies"]["compare"]["file"]

    def lines(name):
        return {line for line in (ROOT / name).read_text().splitlines() if line[:1] != "#"}

    assert lines(path) <= lines("requirements-dev.txt")
    of_the_extra, of_all = ({line.split(">=")[0] for line in lines(name)} for name in (path, ALL))
    assert {package for _, package, _ in NEEDED} - of_all == of_the_extra
