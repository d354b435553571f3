"""Escaping and numbers for people."""

import math

import pytest

from pnag_jax.reports import markup


def test_text_is_escaped_once_and_markup_is_not():
    inner = markup.tag("b", "<&>", title='"')
    assert inner == '<b title="&quot;">&lt;&amp;&gt;</b>'
    assert markup.tag("p", inner) == f"<p>{inner}</p>"
    assert markup.join([None, "<", inner]) == f"&lt;{inner}"


def test_empty_sections_are_absent():
    assert markup.section("t", None, "") is None
    assert markup.section("t", "x") == "<section><h2>t</h2>x</section>"


@pytest.mark.parametrize(
    ("write", "value", "text"),
    [
        (markup.share, 1.0, "100 %"),
        (markup.share, 0.99999, "> 99.99 %"),
        (markup.share, 0.9994, "99.94 %"),
        (markup.share, 0, "0.00 %"),
        (markup.number, 94.373, "94.37"),
        (markup.number, 0.0123, "0.0123"),
        (markup.quantity, 1_073_466, "1.07 M"),
        (markup.quantity, 999_999, "1.00 M"),
        (markup.quantity, 801_832, "802 k"),
        (markup.quantity, 153_273_600, "153 M"),
        (markup.quantity, 12, "12"),
        (markup.seconds, 0.000113, "0.113 ms"),
        (markup.seconds, 3.2e-6, "3.2 µs"),
        (markup.seconds, 74.3, "1 min 14 s"),
        (markup.seconds, 7290, "2 h 1 min"),
        (markup.seconds, 12.34, "12.3 s"),
        (markup.count, 15625, "15,625"),
        (markup.queries, math.inf, "not reached"),
        (markup.queries, 64.5, "64.5"),
    ],
)
def test_numbers(write, value, text):
    assert write(value).replace("\N{NO-BREAK SPACE}", " ") == text


@pytest.mark.parametrize(
    "write",
    [markup.share, markup.number, markup.quantity, markup.seconds, markup.count, markup.queries],
)
@pytest.mark.parametrize("value", [None, math.nan, "much", True])
def test_what_is_no_number_was_not_measured(write, value):
    assert write(value) == markup.NOT_MEASURED
