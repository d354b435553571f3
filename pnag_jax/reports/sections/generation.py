"""Generation beside uniform draws, one path coarse to fine, and samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pnag_jax.reports import plots
from pnag_jax.reports.curves import real
from pnag_jax.reports.markup import (
    NOT_MEASURED,
    Html,
    count,
    join,
    quantity,
    seconds,
    section,
    share,
    tag,
)
from pnag_jax.reports.sections.parts import Keep, Results, cell, code, drawing, figure, table


def generation(results: Results, keep: Keep) -> Html | None:
    """Bars and numbers, then drawings."""
    found = results.get("generation")
    if not found:
        return None
    parts = []
    bars = plots.generation_bars(found)
    if bars is not None:
        image = keep("generation", bars, "Validity, uniqueness and novelty")
        parts.append(figure(image, _caption(found)))
    numbers = _table(found)
    if numbers is not None:
        parts.append(numbers)
    return section(
        "Generation",
        tag("div", *parts, class_="plots") if parts else None,
        _path(results, found, keep),
        _samples(results, found, keep),
        lead="What the generator draws by itself, beside as many uniform draws from the space.",
    )


def _caption(found: Mapping[str, Any]) -> str:
    caption = (
        "Valid: accepted by the space. Unique: distinct among the valid. Novel: share of the "
        "distinct ones that the generator was not trained on."
    )
    if real(found.get("training_share")) is not None:
        caption += (
            f" It was trained on {share(found['training_share'])} of the space: the rest is all "
            "that can be novel."
        )
    return caption


def _table(found: Mapping[str, Any]) -> Html | None:
    uniform = found.get("uniform") or {}
    sampling = str(found["sampling"]) if found.get("sampling") else NOT_MEASURED
    lines = [
        ("architectures", count(found.get("count")), None),
        ("sampling", sampling, None),
        ("valid before repair", share(found.get("raw_validity")), None),
        ("valid", share(found.get("validity")), uniform.get("validity")),
        ("unique", share(found.get("uniqueness")), uniform.get("uniqueness")),
        ("novel", share(found.get("novelty")), uniform.get("novelty")),
        ("share of the space trained on", share(found.get("training_share")), None),
        ("one architecture", seconds(found.get("seconds_one")), None),
        ("architectures a second", quantity(found.get("architectures_per_second")), None),
    ]
    rows = [
        tag(
            "tr",
            tag("td", name),
            cell(ours),
            tag("td", "" if real(theirs) is None else share(theirs)),
        )
        for name, ours, theirs in lines
        if ours != NOT_MEASURED or real(theirs) is not None
    ]
    return table(["", "generated", "uniform draws"], rows) if rows else None


def _path(results: Results, found: Mapping[str, Any], keep: Keep) -> Html | None:
    shown = []
    for i, step in enumerate(found.get("path") or [], start=1):
        picture = drawing(results, step, keep, f"path_{i:02d}")
        nodes = tag("b", f"{count(step['nodes'])} nodes") if step.get("nodes") else None
        shown.append(tag("figure", picture, tag("figcaption", nodes, code(step))))
    if not shown:
        return None
    note = "Each step is a whole architecture of the space, with more nodes than the one before."
    return join(
        [
            tag("h3", "One architecture, coarse to fine"),
            tag("p", note, class_="note"),
            tag("div", *shown, class_="cards"),
        ]
    )


def _samples(results: Results, found: Mapping[str, Any], keep: Keep) -> Html | None:
    shown = []
    for i, sample in enumerate(found.get("samples") or [], start=1):
        picture = drawing(results, sample, keep, f"sample_{i:02d}")
        shown.append(tag("figure", picture, tag("figcaption", code(sample))))
    if not shown:
        return None
    return join([tag("h3", "Samples"), tag("div", *shown, class_="cards")])
