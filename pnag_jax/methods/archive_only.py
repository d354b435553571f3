"""What methods have in common that remember what they were told and nothing else."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

import flax.struct
import jax

from pnag_jax.methods import archive as archives
from pnag_jax.methods import base, extras
from pnag_jax.spaces import Space


@flax.struct.dataclass
class State:
    """``archive`` of what was told, ``key`` of the next draw, ``settings`` of the method."""

    archive: archives.Archive
    key: jax.Array
    settings: Any = flax.struct.field(pytree_node=False)


S = TypeVar("S", bound=State)


def method(
    name: str,
    settings: type[base.Settings],
    ask: Callable[[State, int], tuple[jax.Array, State]],
    package: extras.Package | None = None,
) -> base.Method:
    """The method of that name; see ``base.Method``."""

    def init(key: jax.Array, space: Space, config: base.Config | None = None) -> State:
        """A search that has seen nothing."""
        extras.require(name, package)
        chosen = base.resolve(settings, name, config)
        return State(archive=archives.empty(space, chosen.budget), key=key, settings=chosen)

    return base.Method(name, base.defaults(settings), init, ask, tell, package)


def tell(state: S, genotypes: jax.Array, values: jax.Array) -> S:
    """Remembers what was asked."""
    return dataclasses.replace(state, archive=state.archive.insert(genotypes, values))
