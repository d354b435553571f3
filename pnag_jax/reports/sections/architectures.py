"""The best architectures found: drawing, values and cost."""

from __future__ import annotations

from collections.abc import Callable

from pnag_jax.reports.curves import real
from pnag_jax.reports.markup import Html, number, quantity, section, tag
from pnag_jax.reports.sections.parts import Keep, Results, cell, code, drawing, table

_MOST = 10
_COLUMNS: dict[str, tuple[str, Callable[[object], str]]] = {
    "search_value": ("search value", number),
    "report_value": ("report value", number),
    "params": ("parameters", quantity),
    "flops": ("FLOPs", quantity),
}


def best_architectures(results: Results, keep: Keep) -> Html | None:
    """A row for each of the first few; columns that are null throughout are left out."""
    entries = results.get("best") or []
    if not entries:
        return None
    columns = {
        key: column
        for key, column in _COLUMNS.items()
        if any(real(entry.get(key)) is not None for entry in entries)
    }
    rows = []
    for i, entry in enumerate(entries[:_MOST], start=1):
        picture = drawing(results, entry, keep, f"best_{i:02d}")
        cells = [tag("td", f"#{i}"), tag("td", picture, code(entry), class_="picture")]
        for key, (name, write) in columns.items():
            cells.append(cell(write(entry.get(key)), data_label=name))
        rows.append(tag("tr", *cells))
    rest = None
    if len(entries) > _MOST:
        rest = tag("p", f"The first {_MOST} of {len(entries)}.", class_="note")
    return section(
        "Best architectures",
        table(["", "architecture", *(name for name, _ in columns.values())], rows, class_="best"),
        rest,
        lead="Ranked by the search metric. Pale, dashed parts lie on no way from input to output.",
    )
