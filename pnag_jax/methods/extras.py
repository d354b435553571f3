"""Packages that single methods need, and that a plain installation leaves out."""

from __future__ import annotations

import importlib.util
from typing import NamedTuple

from pnag_jax.errors import UsageError

# What brings all of them.
INSTALL = "pip install 'pnag_jax[compare]'"


class Package(NamedTuple):
    """``name`` for pip, and the ``module`` that it brings."""

    name: str
    module: str


OPTUNA = Package("optuna", "optuna")
SCIKIT_LEARN = Package("scikit-learn", "sklearn")


def is_installed(package: Package | None) -> bool:
    """Whether the package, if any, can be imported; does not import it."""
    return package is None or importlib.util.find_spec(package.module) is not None


def require(method: str, package: Package | None) -> None:
    """Returns if the package is there.

    Raises:
      UsageError: it is not; the message names method, package and command.
    """
    if not is_installed(package):
        assert package is not None
        raise UsageError(
            f"method {method} needs the package {package.name}, which is not installed: {INSTALL}"
        )
