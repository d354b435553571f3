"""The ask/tell contract that every search method fulfils.

A method is five pure functions.  It proposes genotypes (``ask``), is given
their measurements (``tell``) and keeps all that it knows in a pytree of fixed
shapes, so that ``ask`` and ``tell`` run under ``jit``, under ``vmap`` over
seeds and inside ``lax.scan``, and a search is checkpointed by saving one tree.

Letters used in shapes, here and in every method:

* ``n`` proposals of one ``ask``,
* ``L`` genes of a genotype (see ``pnag_jax.spaces.base``),
* ``C`` slots of an archive,
* ``K`` one-gene neighbours of a genotype.

Values are to be maximised.  A value that is not finite marks a proposal that
was invalid, absent from the table or beyond the budget: it is remembered, and
never counts as good.
"""

from __future__ import annotations

import dataclasses
import numbers
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

import jax

from pnag_jax.errors import UsageError
from pnag_jax.methods.extras import Package
from pnag_jax.spaces import Space

Config = Mapping[str, Any]


class Trace(NamedTuple):
    """What a guided search says of its proposals, in the order of its queries.

    Attributes:
      expected: ``[Q]``, the value that the surrogate expected of each before it
        was measured, in units of its own; NaN where it was not asked.
      steered: ``[Q]``, how far the expectations of what was generated in that
        round lay above those of uniform draws, in standard deviations of the
        latter: 0 for a generator that ignores what it is asked for.
    """

    expected: jax.Array
    steered: jax.Array


class Method(NamedTuple):
    """One search method; see the module's docstring for shapes.

    Attributes:
      name: the name in the registry.
      default_config: ``(space) -> dict`` of all fields with their defaults:
        ``budget`` (queries that the search may spend), ``batch`` (the number
        of proposals for which the method is best asked at a time) and the
        method's own.
      init: ``(key, space, config=None) -> state``, a flax struct with a field
        ``archive`` of everything told.  Fields that ``config`` does not name
        keep their defaults.  The key is consumed.  Raises ``UsageError`` for
        an unknown field, a value that is not accepted, or a missing
        ``package``.
      ask: ``(state, n) -> (genotypes int32 [n, L], state)``, ``n`` static.
        All proposals are valid; none is in the archive, and no two of them
        are isomorphic, unless the method finds nothing new to ask.
      tell: ``(state, genotypes [n, L], values [n]) -> state``.
      package: what it needs beside a plain installation, if anything.
      trace: ``(state) -> Trace``, for methods that can tell what they expected.
      takes: fields of its config that are no settings: ``generator``, a trained
        ``generation.Generator`` that it cannot do without, ``start``, genotypes
        ``[s, L]`` to begin with, and ``hint``, a ``hints.Hint`` to begin with.
    """

    name: str
    default_config: Callable[[Space], dict[str, Any]]
    init: Callable[..., Any]
    ask: Callable[[Any, int], tuple[jax.Array, Any]]
    tell: Callable[[Any, jax.Array, jax.Array], Any]
    package: Package | None = None
    trace: Callable[[Any], Trace] | None = None
    takes: tuple[str, ...] = ()


def setting(default: Any, minimum: float, maximum: float = float("inf")) -> Any:
    """A field of ``Settings`` with its range, both ends included."""
    return dataclasses.field(default=default, metadata={"range": (minimum, maximum)})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """Fields of every method's config; hashable, so that states can hold it.

    Attributes:
      budget: queries that the search may spend; sizes the archive.
      batch: proposals for which the method is best asked at a time.
    """

    budget: int = setting(192, 1)
    batch: int = setting(1, 1)


S = TypeVar("S", bound=Settings)


def defaults(settings: type[Settings]) -> Callable[[Space], dict[str, Any]]:
    """The ``default_config`` of a method whose defaults suit every space."""

    def default_config(space: Space) -> dict[str, Any]:
        del space
        return dataclasses.asdict(settings())

    return default_config


def resolve(settings: type[S], method: str, config: Config | None) -> S:
    """The settings that a user's config asks for.

    Args:
      settings: a dataclass of the method's fields and defaults.
      method: its name, for messages.
      config: a mapping or ``ConfigDict`` of some of the fields, or None.

    Raises:
      UsageError: a field is unknown, of the wrong type or out of its range.
    """
    fields = {field.name: field for field in dataclasses.fields(settings)}
    chosen = {}
    for name, value in dict(config.items() if config is not None else ()).items():
        if name not in fields:
            raise UsageError(
                f"method {method}: config field {name!r} is unknown; "
                f"accepted are {', '.join(sorted(fields))}"
            )
        chosen[name] = _checked(f"method {method}: config field {name}", value, fields[name])
    return settings(**chosen)


def _checked(what: str, value: Any, field: dataclasses.Field) -> Any:
    """``value`` as the type of the field's default, or a ``UsageError``."""
    kind: type = type(field.default)  # type: ignore[assignment]
    if kind is bool:
        if not isinstance(value, bool):
            raise UsageError(f"{what} = {value!r}; accepted are True and False")
        return value
    accepted = numbers.Integral if kind is int else numbers.Real
    low, high = field.metadata["range"]
    is_number = isinstance(value, accepted) and not isinstance(value, bool)
    if not is_number or not low <= value <= high:
        span = f"of at least {low}" if high == float("inf") else f"from {low} to {high}"
        word = "integers" if kind is int else "numbers"
        raise UsageError(f"{what} = {value!r}; accepted are {word} {span}")
    return kind(value)
