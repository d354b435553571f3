"""What all sections share: figures, tables, cells, drawings."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from matplotlib.figure import Figure

from pnag_jax import spaces
from pnag_jax.reports.draw import draw
from pnag_jax.reports.markup import NOT_MEASURED, Html, join, tag

Results = Mapping[str, Any]


class Keep(Protocol):
    """Keeps a figure under a file name and gives the <img> that shows it."""

    def __call__(self, stem: str, figure: Figure, alt: str, *, flat: bool = False) -> Html: ...


def figure(image: Html, caption: object) -> Html:
    """An image on its plate with a caption."""
    return tag("figure", tag("div", image, class_="plate"), tag("figcaption", caption))


def table(head: Sequence[str], rows: Sequence[Html], **attributes: object) -> Html:
    """A table in a box that scrolls sideways where it must."""
    heads = tag("thead", tag("tr", *(tag("th", name, scope="col") for name in head)))
    return tag("div", tag("table", heads, tag("tbody", *rows), **attributes), class_="box")


def cell(value: str, **attributes: object) -> Html:
    """A table cell; what is missing is set apart."""
    shown = tag("span", value, class_="absent") if value == NOT_MEASURED else value
    return tag("td", shown, **attributes)


def drawing(results: Results, entry: Mapping[str, Any], keep: Keep, stem: str) -> Html | None:
    """An architecture on its plate, or the reason why it cannot be drawn.

    Args:
      results: of the run; its ``space`` reads the architecture.
      entry: with ``genotype``, or else ``architecture``, the space's string.
      keep: stores the picture.
      stem: its file name without ending.
    """
    name, string = str(results.get("space")), entry.get("architecture")
    genotype = entry.get("genotype")
    if name not in spaces.names() or (genotype is None and not string):
        return None
    try:
        if genotype is None:
            genotype = spaces.get(name).from_string(str(string))
        picture = draw(name, np.asarray(genotype))
    except spaces.SpaceError as error:
        return tag("p", f"not drawn: {error}", class_="plate note")
    return tag("div", keep(stem, picture, f"Architecture {string}", flat=True), class_="plate")


def code(entry: Mapping[str, Any]) -> Html:
    """The architecture's string, which may break where its parts end."""
    words = re.split(r"(?<=[|,;)])", str(entry.get("architecture") or ""))
    return tag("div", *(join([word, tag("wbr")]) for word in words), class_="arch")
