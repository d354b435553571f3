"""Plots and ``report.html`` of a study, in the looks of the other reports."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from experiments.scaling_study import cells
from pnag_jax.reports import markup, style
from pnag_jax.reports.markup import Html, quantity, seconds, section, share, tag
from pnag_jax.reports.page import Plots
from pnag_jax.reports.sections.parts import cell, figure, table
from pnag_jax.reports.sections.provenance import provenance

_WIDTH, _HEIGHT = 5.3, 3.4
_TARGET = 0.9

Rows = Sequence[Mapping[str, Any]]


def write(folder: pathlib.Path, results: Mapping[str, Any]) -> None:
    """Writes ``report.html`` and ``plots/*.png``."""
    keep = Plots(folder / "plots")
    rows = results["cells"]
    title = f"Scaling of pnag_jax, {results['topology']}"
    facts = f"{results['chips']} chips of {results['topology']} · {results['config']['space']}"
    document = markup.page(
        title,
        tag("header", tag("h1", title), tag("p", facts, class_="facts")),
        _predicted(results, keep),
        _compiled([r for r in rows if r["part"] == cells.COMPILED]),
        _ladder([r for r in rows if r["part"] == cells.LADDER], results, keep),
        _measured([r for r in rows if r["part"] == cells.MEASURED], keep),
        provenance(results),
    )
    style.write_bytes(folder / "report.html", document.encode("utf-8"))
    keep.clean()


def _predicted(results: Mapping[str, Any], keep: Plots) -> Html | None:
    curves = results["curves"]
    if not curves:
        return None
    lines = {f"{c['program']}, {c['strategy']}": (c["chips"], c["efficiency"]) for c in curves}
    chart = _efficiency_chart("Predicted weak scaling", lines)
    worst = min(c["efficiency"][-1] for c in curves)
    lead = (
        "Efficiency is the time of a step on one chip over that on many, each chip with the same"
        " batch. Times follow from the compiler's counts and the chips' public rates; nothing"
        f" here was run. The lowest on all chips is {share(worst)}."
    )
    if results["least_batch"]:
        least = ", ".join(f"{name} {count:,}" for name, count in results["least_batch"].items())
        lead += f" {_TARGET:.0%} on all chips take, in examples a chip: {least}."
    image = keep("predicted_weak", chart, "Predicted efficiency by number of chips")
    each = {c["program"]: c["each"] for c in curves}
    caption = "A chip: " + ", ".join(f"{name} {count:,}" for name, count in each.items())
    return section(
        "Predicted scaling", tag("div", figure(image, caption), class_="plots"), lead=lead
    )


def _compiled(rows: Rows) -> Html | None:
    head = [
        *("program", "study", "strategy", "chips", "a chip", "operations", "bytes", "memory"),
        *("collectives", "their bytes", "compute", "memory time", "exposed", "step"),
        *("compiler's time", "efficiency", "by the compiler's time"),
    ]
    return section(
        "Compiled programs",
        table(head, [_compiled_row(r) for r in rows], class_="dense") if rows else None,
        lead="Counts of one chip and one step or call, loops counted as often as they run.",
    )


def _compiled_row(row: Mapping[str, Any]) -> Html:
    first = [cell(str(row[k])) for k in ("program", "study", "strategy", "devices", "each")]
    if row.get("prediction") is None:
        return tag("tr", *first, tag("td", _missing(row), colspan=12))
    collectives, predicted = row["collectives"], row["prediction"]
    return tag(
        "tr",
        *first,
        cell(quantity(row["flops"])),
        cell(quantity(row["bytes"], "B")),
        cell(quantity(row["memory"]["total"], "B")),
        cell(_kinds(collectives)),
        cell(quantity(sum(c["times"] * c["bytes"] for c in collectives), "B")),
        *(cell(seconds(predicted[k])) for k in ("compute", "memory", "exposed", "step")),
        cell(seconds(row["compiler_seconds"])),
        cell(share(row["efficiency"])),
        cell(share(row["compiler_efficiency"])),
    )


def _missing(row: Mapping[str, Any]) -> str:
    if row.get("fits") is False:
        return f"does not fit: {quantity(row['memory']['total'], 'B')} of memory"
    return f"not compiled: {row.get('fault')}"


def _kinds(collectives: Rows) -> str:
    counts: dict[str, int] = {}
    for found in collectives:
        counts[found["kind"]] = counts.get(found["kind"], 0) + found["times"]
    return ", ".join(f"{count} {kind}" for kind, count in counts.items()) or "none"


def _ladder(rows: Rows, results: Mapping[str, Any], keep: Plots) -> Html | None:
    if not rows:
        return None
    head = ["parameters", "placed", "strategy", "chips", "a chip", "memory a chip", "fits",
            "operations", "collectives", "their bytes", "exposed", "step", "compiler's time",
            "efficiency", "by the compiler's time"]  # fmt: skip
    lead = (
        "The next-scale prior in bfloat16 with float32 moments, and what a training step takes of"
        f" the {quantity(results['chip']['memory'], 'B')} of a chip."
    )
    image = keep("ladder", _ladder_chart(rows, results), "Memory a chip by number of parameters")
    return section(
        "Model sizes",
        tag("div", figure(image, "The line is the chip's memory"), class_="plots"),
        table(head, [_ladder_row(r) for r in rows], class_="dense"),
        lead=lead,
    )


def _ladder_row(row: Mapping[str, Any]) -> Html:
    first = [cell(str(row[k])) for k in ("program", "study", "strategy", "devices", "each")]
    if "fault" in row:
        return tag("tr", *first, tag("td", _missing(row), colspan=10))
    predicted = row["prediction"] or {}
    collectives = row["collectives"]
    return tag(
        "tr",
        *first,
        cell(quantity(row["memory"]["total"], "B")),
        cell("yes" if row["fits"] else "no"),
        cell(quantity(row["flops"])),
        cell(_kinds(collectives)),
        cell(quantity(sum(c["times"] * c["bytes"] for c in collectives), "B")),
        cell(seconds(predicted.get("exposed"))),
        cell(seconds(predicted.get("step"))),
        cell(seconds(row["compiler_seconds"])),
        cell(share(row["efficiency"])),
        cell(share(row["compiler_efficiency"])),
    )


def _measured(rows: Rows, keep: Plots) -> Html | None:
    done = [row for row in rows if row.get("seconds")]
    if not done:
        return None
    head = ["program", "study", "strategy", "devices", "a device", "time", "quartiles",
            "efficiency"]  # fmt: skip
    lead = f"On {done[0]['device_kind']} ({done[0]['backend']})."
    if done[0]["simulated"]:
        lead += (
            " These devices are shares of one CPU, whose cores they compete for: that the programs"
            " run and agree is shown, the efficiency of real devices is not."
        )
    lines: dict[str, tuple[list[int], list[float]]] = {}
    for row in done:
        if row["study"] == cells.WEAK:
            xs, ys = lines.setdefault(f"{row['program']}, {row['strategy']}", ([], []))
            xs.append(row["devices"])
            ys.append(row["efficiency"])
    image = keep(
        "measured_weak", _efficiency_chart("Measured weak scaling", lines), "Measured efficiency"
    )
    return section(
        "Measured scaling",
        tag("div", figure(image, "Weak scaling; the table has strong scaling too"), class_="plots"),
        table(head, [_measured_row(row) for row in done], class_="dense"),
        lead=lead,
    )


def _measured_row(row: Mapping[str, Any]) -> Html:
    times = row["seconds"]
    return tag(
        "tr",
        *(cell(str(row[k])) for k in ("program", "study", "strategy", "devices", "each")),
        cell(seconds(times["median"])),
        cell(f"{seconds(times['q1'])} .. {seconds(times['q3'])}"),
        cell(share(row["efficiency"])),
    )


def _efficiency_chart(
    title: str, lines: Mapping[str, tuple[Sequence[int], Sequence[float]]]
) -> Figure:
    axes = style.new_axes(_WIDTH, _HEIGHT, title, "devices", "efficiency")
    styles = style.line_styles(lines)
    for name, (xs, ys) in lines.items():
        colour, dash = styles[name]
        axes.plot(xs, ys, color=colour, linestyle=dash, marker="o", markersize=3.5, label=name)
    axes.axhline(_TARGET, color=style.BASELINE, linewidth=1.0, linestyle=(0, (5, 3)))
    axes.set_xscale("log", base=2)
    axes.set_ylim(0, 1.1)
    _plain_ticks(axes, sorted({x for xs, _ in lines.values() for x in xs}))
    style.legend_below(axes, columns=2)
    return _figure(axes)


def _ladder_chart(rows: Rows, results: Mapping[str, Any]) -> Figure:
    axes = style.new_axes(_WIDTH, _HEIGHT, "Memory a chip", "parameters", "GB")
    styles = style.line_styles(dict.fromkeys(row["study"] for row in rows))
    for study, (colour, dash) in styles.items():
        points = [(r["parameters"], r["memory"]["total"] / 1e9)
                  for r in rows if r["study"] == study and "fault" not in r]  # fmt: skip
        if points:
            xs, ys = zip(*points, strict=True)
            axes.plot(xs, ys, color=colour, linestyle=dash, marker="o", markersize=4, label=study)
    axes.axhline(results["chip"]["memory"] / 1e9, color=style.INK, linewidth=1.0)
    axes.set_xscale("log")
    axes.set_yscale("log")
    style.legend_below(axes)
    return _figure(axes)


def _plain_ticks(axes: Any, values: Sequence[int]) -> None:
    axes.set_xticks(values, [str(value) for value in values])
    axes.minorticks_off()


def _figure(axes: Any) -> Figure:
    return axes.get_figure()
