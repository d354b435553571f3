"""HTML that escapes by itself, the style sheet, and numbers for people."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable

from pnag_jax.reports.curves import real

NOT_MEASURED = "not measured"
_SPACE = "\N{NO-BREAK SPACE}"  # between a number and its unit


class Html(str):
    """Markup, as against text: what ``tag`` does not escape again."""

    __slots__ = ()


_VOID = frozenset({"img", "meta", "wbr"})


def text(value: object) -> Html:
    """Any value as escaped text; markup stays what it is."""
    return value if isinstance(value, Html) else Html(html.escape(str(value)))


def join(parts: Iterable[object]) -> Html:
    """Several pieces one after the other; None is left out."""
    return Html("".join(text(part) for part in parts if part is not None))


def tag(name: str, /, *children: object, **attributes: object) -> Html:
    """An element.  ``class_`` is written ``class``, ``data_label`` ``data-label``.

    >>> tag("p", "a < b", class_="note")
    '<p class="note">a &lt; b</p>'
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return Html(f"<{name}{written}>")
    return Html(f"<{name}{written}>{join(children)}</{name}>")


def section(title: str, *children: object, lead: str | None = None) -> Html | None:
    """A titled part of the page, or None where it would be empty."""
    present = [child for child in children if child]
    if not present:
        return None
    head = tag("p", lead, class_="lead") if lead else None
    return tag("section", tag("h2", title), head, *present)


# -- numbers ----------------------------------------------------------------------


def number(value: object, digits: int = 2) -> str:
    """A measured value: ``94.37``."""
    found = real(value)
    if found is None:
        return NOT_MEASURED
    if found != 0 and abs(found) < 0.1:
        return f"{found:.3g}"
    return f"{found:,.{digits}f}"


def share(value: object) -> str:
    """A share of 1 in per cent; only 1 itself reads as 100 %."""
    found = real(value)
    if found is None:
        return NOT_MEASURED
    if found == 1:
        return f"100{_SPACE}%"
    shown = f"{100 * found:.2f}"
    if shown == "100.00" and found < 1:
        shown = f">{_SPACE}99.99"
    return f"{shown}{_SPACE}%"


def count(value: object) -> str:
    """A whole number with its thousands parted."""
    found = real(value)
    return NOT_MEASURED if found is None else f"{found:,.0f}"


def quantity(value: object, unit: str = "") -> str:
    """Three digits and a prefix: ``1.07 M``."""
    found = real(value)
    if found is None:
        return NOT_MEASURED
    prefixes = (("", 1.0), ("k", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12))
    prefix, scale = next(
        (p for p in reversed(prefixes) if abs(found) >= 0.9995 * p[1]), prefixes[0]
    )
    scaled = found / scale
    digits = max(0, 2 - math.floor(math.log10(max(abs(scaled), 1.0))))
    written = f"{scaled:.{0 if scale == 1 and scaled == int(scaled) else digits}f}"
    return f"{written}{_SPACE}{prefix}{unit}".rstrip()


def seconds(value: object) -> str:
    """A time in the unit that suits it: ``0.11 ms``, ``2 min 5 s``."""
    found = real(value)
    if found is None:
        return NOT_MEASURED
    if found >= 60:
        whole = round(found)
        hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
        parts = f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
        return parts.replace(" ", _SPACE)
    units = (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6))
    unit, scale = next((u for u in units if found >= 0.1 * u[1]), units[-1])
    return f"{found / scale:.3g}{_SPACE}{unit}"


def queries(value: object) -> str:
    """A number of queries, in whole and half ones; infinite reads "not reached"."""
    if isinstance(value, float) and math.isinf(value):
        return "not reached"
    found = real(value)
    return NOT_MEASURED if found is None else f"{found:g}"


# -- the page ------------------------------------------------------------------------


def page(title: str, *body: object) -> str:
    """A whole document that needs nothing from outside."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", Html(CSS)),
    )
    return (
        "<!doctype html>\n" + tag("html", head, tag("body", tag("main", *body)), lang="en") + "\n"
    )


CSS = """
:root {
  --page: #f3f4f7; --card: #ffffff; --ink: #1c2230; --muted: #5d6678; --rule: #dfe3ea;
  --accent: #00629b;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0f1218; --card: #181c24; --ink: #e8ebf1; --muted: #9aa4b6; --rule: #2b313d;
    --accent: #6cb8ec;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
main { max-width: 1240px; margin: 0 auto; padding: 40px 20px 64px; }
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 6px; letter-spacing: -0.02em; }
h2 { font-size: 1.35rem; margin: 52px 0 6px; letter-spacing: -0.01em; }
h3 { font-size: 1rem; margin: 28px 0 8px; }
p { margin: 0 0 12px; max-width: 76ch; }
.lead, .facts { color: var(--muted); }
.lead { margin-bottom: 18px; }
.facts, .note { max-width: none; }
code, pre, .arch {
  font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
}
.arch { font-size: 0.78rem; line-height: 1.45; color: var(--muted); overflow-wrap: anywhere; }
.plots, .cards { display: grid; gap: 16px; }
.tiles { display: flex; flex-wrap: wrap; gap: 16px; margin-top: 26px; }
.plots { grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); }
.cards { grid-template-columns: repeat(auto-fill, minmax(min(100%, 320px), 1fr)); }
.tile, figure, .box {
  background: var(--card); border: 1px solid var(--rule); border-radius: 12px;
}
.tile { flex: 1 1 190px; max-width: 400px; padding: 16px 18px; }
.tile b { display: block; font-size: 1.75rem; line-height: 1.25; letter-spacing: -0.02em; }
.tile span { display: block; font-size: 0.86rem; color: var(--muted); }
.tile .name { color: var(--ink); font-weight: 600; }
figure { margin: 0; overflow: hidden; display: flex; flex-direction: column; }
.plate { background: #ffffff; padding: 10px; display: flex; justify-content: center; }
.cards .plate { flex: 1; align-items: center; }
.plate img { display: block; max-width: 100%; height: auto; }
.plots .plate img { width: 100%; max-width: 640px; }
figcaption {
  padding: 10px 16px 13px; font-size: 0.86rem; color: var(--muted);
  border-top: 1px solid var(--rule);
}
figcaption b { color: var(--ink); }
.box { overflow-x: auto; margin-bottom: 16px; }
.plots .box { align-self: start; margin: 0; }
table { border-collapse: collapse; width: 100%; font-size: 0.92rem; }
th, td { padding: 9px 10px; text-align: right; white-space: nowrap; }
th { font-weight: 600; color: var(--muted); font-size: 0.82rem; }
thead th { white-space: normal; vertical-align: bottom; line-height: 1.3; }
tr + tr > *, tbody tr > * { border-top: 1px solid var(--rule); }
th:first-child, td:first-child { text-align: left; padding-left: 16px; }
th:last-child, td:last-child { padding-right: 16px; }
td { font-variant-numeric: tabular-nums; }
.dense { font-size: 0.88rem; }
.dense :is(th, td) { padding: 8px 7px; }
.dense :is(th, td):first-child { padding-left: 16px; }
.dense :is(th, td):last-child { padding-right: 16px; }
td .dev, td .more { color: var(--muted); font-size: 0.84em; }
td .more { display: block; font-weight: 400; }
td.lead-value { font-weight: 700; color: var(--accent); }
td.lead-value .dev { font-weight: 400; }
.best td { vertical-align: middle; }
.best td.picture { text-align: left; white-space: normal; width: 480px; }
.best th:nth-child(2) { text-align: left; }
.best .plate { border-radius: 8px; padding: 6px; margin-bottom: 6px; justify-content: flex-start; }

.absent { color: var(--muted); font-style: italic; font-size: 0.86em; }
.note { color: var(--muted); font-size: 0.88rem; }
details { margin-top: 12px; }
details table { width: auto; }
details td:last-child { text-align: left; }
summary { cursor: pointer; padding: 11px 16px; font-weight: 600; }
details.box > *:not(summary) { margin: 0; padding: 4px 16px 16px; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: 0.8rem; line-height: 1.5; }
@media (prefers-color-scheme: dark) {
  /* Paper turns black, which adds nothing to the card; hues stay what they are. */
  .plate { background: var(--card); isolation: isolate; }
  .plate img { filter: invert(1) hue-rotate(180deg); mix-blend-mode: screen; }
}
@media (max-width: 720px) {
  main { padding: 24px 14px 48px; }
  h1 { font-size: 1.55rem; }
  .tiles { gap: 10px; }
  .tile { flex-basis: 140px; max-width: none; padding: 12px 14px; }
  .tile b { font-size: 1.35rem; }
  .best thead { display: none; }
  .best, .best tbody, .best tr, .best td { display: block; width: auto; }
  .best tr { padding: 12px 0; border-top: 1px solid var(--rule); }
  .best td, .best td.picture { border: 0; padding: 3px 14px; width: auto; text-align: right; }
  .best td:first-child, .best td.picture { text-align: left; }
  .best td[data-label]::before {
    content: attr(data-label); float: left; color: var(--muted); font-size: 0.86rem;
  }
}
@media print { body { background: #fff; } figure, .tile { break-inside: avoid; } }
"""
