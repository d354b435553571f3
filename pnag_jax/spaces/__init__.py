"""Search spaces: what an architecture is.  One file a space, one row here."""

from __future__ import annotations

import functools
from collections.abc import Callable

from pnag_jax.spaces.as_written import AsWritten, as_written, folded
from pnag_jax.spaces.autoformer import Autoformer
from pnag_jax.spaces.base import Graph, Labels, Space, SpaceError
from pnag_jax.spaces.config_text import listed
from pnag_jax.spaces.darts import Darts
from pnag_jax.spaces.gnn import Gnn
from pnag_jax.spaces.gpt2 import Gpt2
from pnag_jax.spaces.macro import Macro
from pnag_jax.spaces.mnasnet import Mnasnet
from pnag_jax.spaces.mobilenetv3 import Mobilenetv3
from pnag_jax.spaces.nb101 import Nb101
from pnag_jax.spaces.nb201 import Nb201
from pnag_jax.spaces.restricted import Restricted, restrict, whole

_REGISTRY: dict[str, Callable[[], Space]] = {
    "autoformer": Autoformer,
    "darts": Darts,
    "gnn": Gnn,
    "gpt2": Gpt2,
    "macro": Macro,
    "mnasnet": Mnasnet,
    "mobilenetv3": Mobilenetv3,
    "nb101": Nb101,
    "nb201": Nb201,
}


def names() -> tuple[str, ...]:
    """Names of all spaces, sorted."""
    return tuple(sorted(_REGISTRY))


@functools.cache
def get(name: str) -> Space:
    """The space of that name.

    Raises:
      SpaceError: no such space; the message lists the accepted names.

    >>> get("nb201").to_string([4, 2, 0, 1, 3, 3])
    '|avg_pool_3x3~0|+|nor_conv_1x1~0|none~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|'
    """
    if name not in _REGISTRY:
        raise SpaceError(f"space {name!r} is unknown; accepted are {', '.join(names())}")
    return _REGISTRY[name]()


__all__ = [
    "AsWritten",
    "Graph",
    "Labels",
    "Restricted",
    "Space",
    "SpaceError",
    "as_written",
    "folded",
    "get",
    "listed",
    "names",
    "restrict",
    "whole",
]
