"""Zero-cost proxies: scores of untrained networks.  One file a kind, one row here."""

from __future__ import annotations

from pnag_jax.errors import UsageError
from pnag_jax.proxies import jacob_cov, naswot, saliency, size
from pnag_jax.proxies.base import Probe, Proxy
from pnag_jax.proxies.scoring import in_one_program, probe, score_all

_PROXIES: tuple[Proxy, ...] = (
    size.FLOPS,
    saliency.GRAD_NORM,
    saliency.GRASP,
    jacob_cov.JACOB_COV,
    naswot.NASWOT,
    size.PARAMS,
    saliency.SNIP,
    saliency.SYNFLOW,
)
_REGISTRY = {proxy.name: proxy for proxy in _PROXIES}


def names() -> tuple[str, ...]:
    """Names of all proxies, sorted."""
    return tuple(sorted(_REGISTRY))


def get(name: str) -> Proxy:
    """The proxy of that name; ``UsageError`` with the accepted names if there is none.

    >>> get("synflow").name
    'synflow'
    """
    if name not in _REGISTRY:
        raise UsageError(f"proxy {name!r} is unknown; accepted are {', '.join(names())}")
    return _REGISTRY[name]


__all__ = ["Probe", "Proxy", "get", "in_one_program", "names", "probe", "score_all"]
