"""Literals are read, and nothing else is."""

from __future__ import annotations

import warnings

import pytest

from pnag_jax.spaces import literals


@pytest.mark.parametrize(
    ("text", "value"),
    [(" [1, 'a']\n", [1, "a"]), ("[], ['x']", ([], ["x"])), ("-3", -3)],
)
def test_literals_are_read(text, value):
    assert literals.read(text) == value


@pytest.mark.parametrize(
    "text",
    ["", "[1", "print(1)", "x", "[1][0]", "(" * 10_000, "1" * 5_000, "\0", "[1]\n[2]", "{[]: 1}"],
)
def test_anything_else_is_refused_in_one_line(text):
    with pytest.raises(ValueError) as caught:
        literals.read(text)
    assert str(caught.value) and "\n" not in str(caught.value)


def test_advice_on_style_is_not_passed_on():
    with warnings.catch_warnings(), pytest.raises(ValueError, match="no list of numbers"):
        warnings.simplefilter("error")
        literals.read("[1or 2]")
