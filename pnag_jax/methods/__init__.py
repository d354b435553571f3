"""Search methods, all on one ask/tell contract.  One file a method, one row here."""

from __future__ import annotations

from pnag_jax.errors import UsageError
from pnag_jax.methods import evolution, gp, local_search, marginal_eda, pnag_counts, random_search
from pnag_jax.methods.archive import Archive
from pnag_jax.methods.base import Method

_METHODS: tuple[Method, ...] = (
    evolution.METHOD,
    gp.METHOD,
    local_search.METHOD,
    marginal_eda.METHOD,
    pnag_counts.METHOD,
    random_search.METHOD,
)
_REGISTRY = {method.name: method for method in _METHODS}


def names() -> tuple[str, ...]:
    """Names of all methods, sorted."""
    return tuple(sorted(_REGISTRY))


def get(name: str) -> Method:
    """The method of that name.

    Raises:
      UsageError: no such method; the message lists the accepted names.
    """
    if name not in _REGISTRY:
        raise UsageError(f"method {name!r} is unknown; accepted are {', '.join(names())}")
    return _REGISTRY[name]


__all__ = ["Archive", "Method", "get", "names"]
