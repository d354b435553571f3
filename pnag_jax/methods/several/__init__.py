"""Search methods for several objectives.  One file a method, one row here."""

from __future__ import annotations

from pnag_jax.errors import UsageError
from pnag_jax.methods import variants
from pnag_jax.methods.base import Method
from pnag_jax.methods.several import nsga2, pnag_front, uniform

_METHODS: tuple[Method, ...] = (nsga2.METHOD, pnag_front.METHOD, uniform.METHOD)
_REGISTRY = {method.name: method for method in _METHODS}


def names() -> tuple[str, ...]:
    """Names of all methods, sorted."""
    return tuple(sorted(_REGISTRY))


def get(name: str) -> Method:
    """The method of that name, as ``methods.get``; ``UsageError`` if there is none."""
    method = _REGISTRY.get(variants.base_name(name))
    if method is None:
        raise UsageError(
            f"method {name!r} is unknown to a search for several objectives; accepted are"
            f" {', '.join(names())}"
        )
    return variants.of(method, name)


__all__ = ["Method", "get", "names"]
