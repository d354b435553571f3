"""Architectures as JSON objects: numbers by name, and lists with one value a layer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pnag_jax.spaces.base import SpaceError


def read(space: str, text: str, keys: Sequence[str]) -> dict[str, Any]:
    """A JSON object that has all of ``keys`` and no others.

    Raises:
      SpaceError: ``text`` is something else.
    """
    try:
        config = json.loads(text)
    # Digits and brackets without end fail in ways of their own.
    except (ValueError, RecursionError) as error:
        raise SpaceError(f"{space}: {text!r} is not JSON: {error}") from None
    if not isinstance(config, dict) or set(config) != set(keys):
        raise SpaceError(f"{space}: {text!r} is not an object of {', '.join(keys)}")
    return config


def check(space: str, what: str, found: object, accepted: Sequence[Any]) -> Any:
    """``found`` where it is one of the accepted values, else ``SpaceError``."""
    # True is 1 and 3.0 is 3 for Python.
    if type(found) is not type(accepted[0]) or found not in accepted:
        raise SpaceError(f"{space}: {what} = {found!r}; accepted are {listed(accepted)}")
    return found


def check_list(
    space: str, key: str, found: object, accepted: Sequence[Sequence[Any]], unit: str = "layer"
) -> list[Any]:
    """A list with one accepted value a layer, else ``SpaceError``.

    Args:
      space: for messages.
      key: the list's name.
      found: what stands there.
      accepted: the accepted values of every layer.
      unit: what has one value.
    """
    if not isinstance(found, list) or len(found) != len(accepted):
        raise SpaceError(f"{space}: {key} = {found!r}; accepted are lists of {len(accepted)}")
    return [
        check(space, f"{key} of {unit} {i}", value, values)
        for i, (value, values) in enumerate(zip(found, accepted, strict=True))
    ]


def listed(values: Sequence[Any]) -> str:
    """Values in words, many consecutive numbers by their ends.

    >>> listed((0, 2, 4)), listed((0, *range(512, 2049)))
    ('0, 2, 4', '0, 512 .. 2048')
    """
    if len(values) <= 20:
        return ", ".join(map(str, values))
    runs: list[list[Any]] = []
    for value in values:
        if runs and value == runs[-1][-1] + 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    ends = (map(str, run if len(run) < 3 else (f"{run[0]} .. {run[-1]}",)) for run in runs)
    return ", ".join(text for run in ends for text in run)
