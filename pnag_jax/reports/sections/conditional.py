"""Conditional generation: what was asked beside what was reached."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pnag_jax.reports import plots
from pnag_jax.reports.curves import real, reals
from pnag_jax.reports.markup import (
    Html,
    count,
    join,
    number,
    quantity,
    seconds,
    section,
    share,
    tag,
)
from pnag_jax.reports.sections.parts import Keep, Results, cell, code, drawing, figure, table

# Columns whose curves are shown; the others are in the table.
_CURVES = 3


def conditional(results: Results, keep: Keep) -> Html | None:
    """Curves of asked against reached, tables, and the samples that were asked for."""
    found = results.get("conditional")
    if not found:
        return None
    prior = results.get("prior") or {}
    shown = [*_curves(found, keep), _numbers(found)]
    return section(
        "Conditional generation",
        _wish(found),
        *(tag("p", note, class_="note") for note in found.get("notes") or []),
        tag("div", *shown, class_="plots"),
        _promises(found),
        _limits(found),
        _dependence(prior),
        _samples(results, found, keep),
        lead="What the next-scale prior draws when it is asked for something. A quantile of 1 is "
        "the best quality, or the highest cost. No sample was filtered.",
    )


def _wish(found: Mapping[str, Any]) -> Html:
    asked = found.get("asked")
    if not asked:
        text = "Nothing was asked for: its numbers are of samples of quality 0.9, or of cost 0.1."
        return tag("p", text)
    parts = [str(asked["limit"])] if asked.get("limit") else []
    if asked.get("quality") is not None:
        parts.insert(0, f"quality {number(asked['quality'])} of {asked['task']}")
    return tag("p", f"Asked for: {' and '.join(parts)}.")


def _curves(found: Mapping[str, Any], keep: Keep) -> list[Html]:
    shown = []
    for i, row in enumerate((found.get("promise") or [])[:_CURVES]):
        reached = reals(row.get("reached"))
        if not len(reached) or real(row.get("rank_correlation")) is None:
            continue
        picture = plots.promise_curve(
            reals(row["asked"]),
            reached,
            reals(row.get("low")),
            reals(row.get("high")),
            title=str(row["column"]),
        )
        image = keep(f"promise_{i:02d}", picture, f"Asked and reached quantiles of {row['column']}")
        caption = (
            f"Rank correlation {number(row['rank_correlation'], 3)}, mean error "
            f"{number(row.get('mean_error'), 3)}; {_judge(row)}."
        )
        shown.append(figure(image, caption))
    return shown


def _judge(row: Mapping[str, Any]) -> str:
    """Who says what a sample reaches."""
    if row.get("judge") == "process":
        return "judged by a Gaussian process over measurements that the prior was not told"
    return "computed" if row.get("judge") == "space" else "looked up in the table"


def _numbers(found: Mapping[str, Any]) -> Html:
    uniform = found.get("uniform") or {}
    sampling = found.get("sampling") or {}
    lines: list[tuple[str, str, Any]] = [
        ("architectures", count(found.get("count")), None),
        ("seconds for all of them", seconds(found.get("seconds")), None),
        *_got(found),
        ("valid before repair", share(found.get("raw_validity")), None),
        ("valid", share(found.get("validity")), uniform.get("validity")),
        ("unique", share(found.get("uniqueness")), uniform.get("uniqueness")),
        ("novel", share(found.get("novelty")), uniform.get("novelty")),
        *((name, f"{value:g}", None) for name, value in sampling.items()),
    ]
    rows = [
        tag("tr", tag("td", k), cell(v), tag("td", "" if real(u) is None else share(u)))
        for k, v, u in lines
    ]
    return table(["", "generated", "uniform draws"], rows)


def _got(found: Mapping[str, Any]) -> list[tuple[str, str, Any]]:
    reached = found.get("reached") or {}
    lines: list[tuple[str, str, Any]] = [
        (f"mean quantile of {row['column']}", number(row.get("quantile_reached"), 3), None)
        for kind, row in reached.items()
        if kind != "limit_kept"
    ]
    if "limit_kept" in reached:
        lines.append(("keep the limit", share(reached["limit_kept"]), None))
    return lines


def _promises(found: Mapping[str, Any]) -> Html | None:
    rows = [
        tag(
            "tr",
            tag("td", str(row["column"])),
            cell(number(row.get("rank_correlation"), 3)),
            cell(number((row.get("new") or {}).get("rank_correlation"), 3)),
            cell(count((row.get("new") or {}).get("count"))),
            cell(number(row.get("mean_error"), 3)),
            cell(share(row.get("measured"))),
        )
        for row in found.get("promise") or []
    ]
    head = ["column", "rank correlation", "of new ones", "new ones", "mean error", "measured"]
    if not rows:
        return None
    return join([tag("h3", "Asked and reached quantiles"), table(head, rows, class_="dense")])


def _limits(found: Mapping[str, Any]) -> Html | None:
    """One row a column: samples that keep limits of four widths."""
    by: dict[str, dict[float, Mapping[str, Any]]] = {}
    for row in found.get("limits") or []:
        by.setdefault(str(row["column"]), {})[round(float(row["share"]), 2)] = row
    if not by:
        return None
    rows = [
        tag(
            "tr",
            tag("td", name),
            *(cell(f"{share(row['kept'])} ({_amount(row['limit'])})") for row in limits.values()),
        )
        for name, limits in by.items()
    ]
    widest = max(by.values(), key=len)
    head = ["column", *(f"limit that {at:.0%} keep" for at in widest)]
    note = tag("p", "Samples that keep a limit they were asked to keep; the limit.", class_="note")
    return join([tag("h3", "Limits"), note, table(head, rows, class_="dense")])


def _amount(value: float) -> str:
    return quantity(value) if abs(value) >= 1000 else f"{value:.4g}"


def _dependence(prior: Mapping[str, Any]) -> Html | None:
    bits = prior.get("held_out_bits") or {}
    names = {
        "nothing": "told nothing",
        "quality": "told its quality",
        "other_quality": "told another's quality",
        "hardware": "told its cost",
        "other_hardware": "told another's cost",
    }
    shown = {name: bits[kind] for kind, name in names.items() if kind in bits}
    if not shown:
        return None
    note = tag(
        "p",
        "Bits that a held-out architecture takes. A generator that ignores its conditions takes as "
        "many whatever it is told.",
        class_="note",
    )
    row = tag("tr", *(cell(number(value)) for value in shown.values()))
    title = tag("h3", "How far samples depend on conditions")
    return join([title, note, table(list(shown), [row])])


def _samples(results: Results, found: Mapping[str, Any], keep: Keep) -> Html | None:
    shown = []
    for i, sample in enumerate(found.get("samples") or [], start=1):
        picture = drawing(results, sample, keep, f"asked_{i:02d}")
        shown.append(tag("figure", picture, tag("figcaption", code(sample))))
    if not shown:
        return None
    return join([tag("h3", "Samples of what was asked for"), tag("div", *shown, class_="cards")])
