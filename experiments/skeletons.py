"""What is around the searched part of a network, as a flag says it."""

from __future__ import annotations

from typing import Any

from pnag_jax.errors import UsageError


def parse(text: str) -> dict[str, Any]:
    """``--skeleton`` as fields of a space's ``Skeleton``, numbers where they are.

    Raises:
      UsageError: not of the form ``FIELD=VALUE,...``, each field once.

    >>> parse("channels=4,cells=1")
    {'channels': 4, 'cells': 1}
    """
    fields: dict[str, Any] = {}
    for word in filter(None, text.split(",")):
        name, equals, value = word.partition("=")
        if not equals or name in fields:
            raise UsageError(f"--skeleton={text}: accepted are distinct FIELD=VALUE with commas")
        fields[name] = int(value) if value.isdecimal() else _number(value)
    return fields


def _number(value: str) -> float | str:
    try:
        return float(value)
    except ValueError:
        return value
