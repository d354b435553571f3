"""Names that mean different things in different modules."""

from __future__ import annotations

import importlib
import sys

import pytest

from pnag_jax.errors import UserError
from pnag_jax.export import source
from pnag_jax.export.source import Name

# Two modules; both have a function ``scale`` and the second one a local of the
# name of a function of the first.
FIRST = """
import math

FACTOR = 2


def scale(x):
    return FACTOR * x


def shift(x):  # needs the other, and is needed by it
    return x if x > 3 else other(x)


def other(x):
    return shift(x + 1)


class Node:
    size: int = FACTOR
"""
SECOND = """
import numpy as np

from pnag_jax.fake import first
from pnag_jax.fake.first import shift as move

# A comment that stays.
TABLE = np.arange(FIRST := 3)


def scale(x, FACTOR=7):
    return first.scale(x) + FACTOR


def result(x):
    shift = [first.scale(scale) for scale in (x, 10)]
    return scale(x) + move(x) + sum(shift) + sum(map(lambda other: other + 1, TABLE))
"""


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """A package ``pnag_jax.fake`` with these modules."""
    folder = tmp_path / "fake"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "first.py").write_text(FIRST)
    (folder / "second.py").write_text(SECOND)
    package = importlib.import_module("pnag_jax")
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    yield "pnag_jax.fake"
    for name in [name for name in sys.modules if name.startswith("pnag_jax.fake")]:
        del sys.modules[name]
    source._read.cache_clear()


def test_same_result_from_one_file(fake):
    text = source.bundle([Name(f"{fake}.second", "result")])
    assert "pnag_jax" not in text and "# A comment that stays." in text
    assert "import math" not in text
    namespace: dict = {}
    exec(text, namespace)
    expected = importlib.import_module(f"{fake}.second").result(5)
    # scale(5) = 17, move(5) = 5, 10 + 20, 1 + 2 + 3.
    assert expected == 17 + 5 + 30 + 6 and namespace["result"](5) == expected


def test_what_cannot_be_taken_over(fake, tmp_path):
    (tmp_path / "fake" / "third.py").write_text(
        "import optax\nfrom pnag_jax.fake import first\n\n\ndef f(Node):\n"
        "    return first.Node, optax\n\n\ndef g():\n    return optax.sgd\n"
    )
    with pytest.raises(UserError, match="'import optax' is needed"):
        source.bundle([Name(f"{fake}.third", "g")])
    with pytest.raises(UserError, match=r"Node of pnag_jax\.fake\.first clashes"):
        source.bundle([Name(f"{fake}.third", "f")])
    with pytest.raises(UserError, match=r"first defines no nothing"):
        source.bundle([Name(f"{fake}.first", "nothing")])
