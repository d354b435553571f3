"""Ask and tell with several objectives and constraints.

The contract is that of ``methods.base`` but for the values told: a row an
architecture, ``[n, W]`` with ``W = M + K``: ``M`` objectives, all to be
maximised, then the slacks of ``K`` constraints, each 0 or more where its
constraint is met.  A row with anything that is not finite is a failure.

Letters as in ``methods.base``, and ``B`` for the budget, ``M``, ``K``, ``W``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import flax.struct
import jax
import jax.numpy as jnp

from pnag_jax.errors import UsageError
from pnag_jax.methods import archive as archives
from pnag_jax.methods import archive_only, base
from pnag_jax.spaces import Space

_LEAST_SCALE = 1e-12


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(base.Settings):
    """Fields of every config, beside those of ``Problem``.

    Attributes:
      objectives: ``M``.
      constraints: ``K``.
    """

    batch: int = base.setting(8, 1)
    objectives: int = base.setting(2, 1)
    constraints: int = base.setting(0, 0)


class Known(NamedTuple):
    """A column that follows from the architecture alone: ``scale * cost + offset``.

    ``cost`` is a function of the space, ``"params"`` or ``"flops"``.
    """

    cost: str
    scale: float
    offset: float

    def values(self, space: Space, genotypes: jax.Array) -> jax.Array:
        """``[m, L] -> [m]``."""
        return self.scale * getattr(space, self.cost)(genotypes) + self.offset


class Problem(NamedTuple):
    """What a search is told of its objectives; hashable.

    Attributes:
      preference: positive weights of the ``M`` objectives, 1 in all; None for
        the whole front.
      known: of each of the ``W`` columns how it is computed, None where it has
        to be measured.
      qualities: the columns that rise with what a hint promises.
    """

    preference: tuple[float, ...] | None
    known: tuple[Known | None, ...]
    qualities: tuple[int, ...]


@flax.struct.dataclass
class State(archive_only.State):
    """Beside what was told its ``values``: float32 ``[B, W]``, zeros in empty slots."""

    values: jax.Array
    problem: Problem = flax.struct.field(pytree_node=False)

    def measured(self) -> jax.Array:
        """Which rows of ``values`` are of measured architectures: bool ``[B]``."""
        return self.archive.measured()[: self.settings.budget]

    @property
    def objectives(self) -> jax.Array:
        """``[B, M]``."""
        return self.values[:, : self.settings.objectives]

    def violation(self) -> jax.Array:
        """How much each row violates the constraints in all: ``[B]``.

        Every constraint in units of its mean slack, so that none drowns the others.
        """
        slack = self.values[:, self.settings.objectives :]
        scale = jnp.abs(slack).sum(axis=0) / jnp.maximum(self.archive.count, 1)
        return (jnp.maximum(-slack, 0.0) / jnp.maximum(scale, _LEAST_SCALE)).sum(axis=1)


S = TypeVar("S", bound=State)


def fields(
    settings: type[base.S], name: str, space: Space, key: jax.Array, config: base.Config | None
) -> dict[str, Any]:
    """The fields of a ``State`` that has seen nothing.

    Raises:
      UsageError: a field that is not accepted.
    """
    given: dict[str, Any] = dict(config.items() if config is not None else ())
    preference, known = given.pop("preference", None), given.pop("known", None)
    qualities = tuple(given.pop("qualities", ()))
    chosen: Any = base.resolve(settings, name, given)
    width = chosen.objectives + chosen.constraints
    known = (None,) * width if known is None else tuple(known)
    if len(known) != width or (preference is not None and len(preference) != chosen.objectives):
        raise UsageError(
            f"method {name}: known {known}, preference {preference}; accepted are {width} and"
            f" {chosen.objectives} entries"
        )
    if not set(qualities) <= set(range(width)):
        raise UsageError(f"method {name}: qualities {qualities}; accepted are 0 .. {width - 1}")
    return {
        "archive": archives.empty(space, chosen.budget),
        "key": key,
        "settings": chosen,
        "values": jnp.zeros((chosen.budget, width)),
        "problem": Problem(None if preference is None else tuple(preference), known, qualities),
    }


def method(
    name: str,
    settings: type[Settings],
    ask: Callable[[Any, int], tuple[jax.Array, Any]],
) -> base.Method:
    """The method of that name that keeps what it was told and nothing else."""

    def init(key: jax.Array, space: Space, config: base.Config | None = None) -> State:
        """A search that has seen nothing; see ``methods.base.Method``."""
        return State(**fields(settings, name, space, key, config))

    return base.Method(name, base.defaults(settings), init, ask, tell)


def tell(state: S, genotypes: jax.Array, values: jax.Array) -> S:
    """Remembers what was asked; ``values`` are ``[n, W]``."""
    values = jnp.asarray(values, jnp.float32)
    whole = jnp.isfinite(values).all(axis=1)
    state = archive_only.tell(state, genotypes, jnp.where(whole, values[:, 0], jnp.nan))
    slots = state.archive.slots(state.archive.space.canonical(genotypes))
    slots = jnp.where(whole, slots, state.settings.budget)  # out of bounds: dropped
    return dataclasses.replace(state, values=state.values.at[slots].set(values, mode="drop"))
