"""A method with other settings, by name: ``pnag:temperature=3:batch=4``.

So that one run compares a method with itself, on the same seeds.
"""

from __future__ import annotations

import json
from typing import Any

import jax

from pnag_jax.errors import UsageError
from pnag_jax.methods.base import Config, Method
from pnag_jax.spaces import Space

_SEPARATOR = ":"


def base_name(name: str) -> str:
    """The registered name in front of the settings.

    >>> base_name("pnag:temperature=3:batch=4")
    'pnag'
    """
    return name.partition(_SEPARATOR)[0]


def of(method: Method, name: str) -> Method:
    """``method`` with what ``name`` says behind its first colon, and called that.

    What a caller gives to ``init`` counts before what the name says.

    Raises:
      UsageError: the name is not of the form ``method:field=number:...``.
    """
    changes = _changes(name)
    if not changes:
        return method

    def default_config(space: Space) -> dict[str, Any]:
        usual = method.default_config(space)
        unknown = sorted(set(changes) - set(usual))
        if unknown:
            raise UsageError(
                f"method {name}: config field {unknown[0]!r} is unknown; "
                f"accepted are {', '.join(sorted(usual))}"
            )
        return usual | changes

    def init(key: jax.Array, space: Space, config: Config | None = None) -> Any:
        given = dict(config.items() if config is not None else ())
        return method.init(key, space, {**changes, **given})

    return method._replace(name=name, default_config=default_config, init=init)


def _changes(name: str) -> dict[str, Any]:
    """The settings that the name gives.

    >>> _changes("pnag:temperature=3:batch=4")
    {'temperature': 3, 'batch': 4}
    """
    _, *parts = name.split(_SEPARATOR)
    found = {}
    for part in parts:
        field, _, text = part.partition("=")
        value = _number(text)
        if not field.isidentifier() or value is None or field in found:
            raise UsageError(
                f"method {name}: accepted behind a colon are settings such as batch=4, each once"
            )
        found[field] = value
    return found


def _number(text: str) -> int | float | bool | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, int | float) else None
