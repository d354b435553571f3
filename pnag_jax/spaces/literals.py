"""Lists, numbers and names as people write them in Python, read without running them."""

from __future__ import annotations

import ast
import warnings
from typing import Any


def read(text: str) -> Any:
    """The value of a literal.

    Raises:
      ValueError: it is none; the message is one line.

    >>> read("[[0, 1], ['input']]")
    [[0, 1], ['input']]
    """
    return value(parse(text))


def parse(text: str) -> ast.expr:
    """The syntax tree of one expression; ``ValueError`` as ``read``."""
    try:
        # Python's advice on style, such as a blank after a number, is not for a reader.
        with warnings.catch_warnings(action="ignore", category=SyntaxWarning):
            return ast.parse(text.strip(), mode="eval").body
    # Brackets without end fail in ways of their own, and so do null bytes.
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = str(error).splitlines() or [type(error).__name__]
        raise ValueError(reason[0]) from None


def value(tree: ast.expr) -> Any:
    """The value of a part of a syntax tree; ``ValueError`` as ``read``."""
    try:
        return ast.literal_eval(tree)
    except (ValueError, TypeError, RecursionError, MemoryError):
        raise ValueError("it is no list of numbers and names") from None
