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
    variants,
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
    """The method of that name; ``pnag:batch=4`` is ``pnag`` with that setting.

    Raises:
      UsageError: no such method, or a package that it needs is missing; the
        message lists the accepted names, or tells how to install the package.
        Or the settings are not of the form that ``variants`` describes.
    """
    method = _REGISTRY.get(variants.base_name(name))
    if method is None:
        raise UsageError(f"method {name!r} is unknown; accepted are {', '.join(names())}")
    extras.require(method.name, method.package)
    return variants.of(method, name)


__all__ = ["Archive", "Method", "get", "installed", "names"]
