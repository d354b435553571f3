"""Search methods, all on one ask/tell contract.  One file a method, one row here."""

from __future__ import annotations

from pnag_jax.errors import UsageError
from pnag_jax.methods import (
    evolution,
    extras,
    forest,
    gp,
    local_search,
    marginal_eda,
    pnag,
    pnag_counts,
    random_search,
    tpe,
)
from pnag_jax.methods.archive import Archive
from pnag_jax.methods.base import Method

_METHODS: tuple[Method, ...] = (
    evolution.METHOD,
    forest.METHOD,
    gp.METHOD,
    local_search.METHOD,
    marginal_eda.METHOD,
    pnag.METHOD,
    pnag_counts.METHOD,
    random_search.METHOD,
    tpe.METHOD,
)
_REGISTRY = {method.name: method for method in _METHODS}


def names() -> tuple[str, ...]:
    """Names of all methods, sorted."""
    return tuple(sorted(_REGISTRY))


def installed() -> tuple[str, ...]:
    """Those of ``names`` whose packages are there."""
    return tuple(name for name in names() if extras.is_installed(_REGISTRY[name].package))


def get(name: str) -> Method:
    """The method of that name.

    Raises:
      UsageError: no such method, or a package that it needs is missing; the
        message lists the accepted names, or tells how to install the package.
    """
    if name not in _REGISTRY:
        raise UsageError(f"method {name!r} is unknown; accepted are {', '.join(names())}")
    method = _REGISTRY[name]
    extras.require(name, method.package)
    return method


__all__ = ["Archive", "Method", "get", "installed", "names"]
