"""The results of a study: ``scaling.json``, ``scaling.csv``, a page, and lines for a terminal."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from experiments.scaling_study import cells, page, predict
from experiments.scaling_study.cells import Cell
from experiments.scaling_study.chips import slice_of
from experiments.scaling_study.hlo import Collective
from experiments.scaling_study.topology import Slice
from experiments.text_table import align
from pnag_jax.training.workdir import Workdir

VERSION = 1
TARGET = 0.9
Row = Mapping[str, Any]
Found = Sequence[tuple[Cell, dict[str, Any] | None]]

_COLUMNS = (
    *("part", "study", "program", "strategy", "devices", "each", "model", "fault"),
    *("seconds", "q1", "q3", "rate", "simulated"),
    *("flops", "bytes", "memory", "fits", "collectives", "collective_bytes"),
    *("compute", "memory_seconds", "communication", "exposed", "step", "compiler_seconds"),
    *("efficiency", "compiler_efficiency", "parameters"),
    *("compile_seconds", "compile_cpu_seconds"),
)


def gather(
    found: Found,
    whole: Slice,
    *,
    environment: Mapping[str, Any],
    config: Mapping[str, Any],
    arguments: Sequence[str],
) -> dict[str, Any]:
    """Everything that the files hold.

    Args:
      found: all cells with their results.
      whole: the slice.
      environment: of the machine.
      config: of the study.
      arguments: the program's command line.
    """
    rows = [{**cell._asdict(), **(result or {"fault": "not done"})} for cell, result in found]
    for row in rows:
        row["efficiency"] = _efficiency(row, rows, _time)
        row["compiler_efficiency"] = _efficiency(row, rows, _compiler_time)
    return {
        "version": VERSION,
        "topology": whole.name,
        "chips": whole.num_chips,
        "chip": {
            name: value
            for name, value in whole.chip._asdict().items()
            if name not in ("shapes", "options")
        },
        "environment": dict(environment),
        "config": dict(config),
        "command": list(arguments),
        "cells": rows,
        "curves": _curves(rows, whole),
        "least_batch": _least_batches(rows),
    }


def _efficiency(row: Row, rows: Sequence[Row], time_of: Callable[[Row], float | None]) -> Any:
    """Against one device of the same study; None of one that did not end, or has no such."""
    time = time_of(row)
    alone = _alone(row, rows)
    first = time_of(alone) if alone else None
    if time is None or first is None:
        return None
    if row["study"] == cells.STRONG:
        return predict.strong_efficiency([first, time], [1, row["devices"]])[1]
    return predict.weak_efficiency([first, time])[1]


def _alone(row: Row, rows: Sequence[Row]) -> Row | None:
    """The same program on one device, by the same strategy where that was done; None for none."""
    found = [
        r
        for r in rows
        if r["devices"] == 1 and (r["part"], r["program"]) == (row["part"], row["program"])
    ]
    return next(iter(sorted(found, key=lambda r: r["strategy"] != row["strategy"])), None)


def _compiler_time(row: Row) -> float | None:
    """The compiler's own estimate in the place of operations and bytes."""
    if not row.get("prediction"):
        return None
    return row["compiler_seconds"] + row["prediction"]["exposed"]


def _time(row: Row) -> float | None:
    if row.get("seconds"):
        return row["seconds"]["median"]
    return (row.get("prediction") or {}).get("step")


def _curves(rows: Sequence[Row], whole: Slice) -> list[dict[str, Any]]:
    """Predicted weak-scaling efficiency by number of chips.

    A chip's work and what it exchanges do not depend on the number of chips;
    those of the whole slice are predicted for each smaller one.
    """
    curves = []
    for row in rows:
        if row["part"] != cells.COMPILED or row["study"] != cells.WEAK or row["devices"] == 1:
            continue
        alone = _alone(row, rows)
        first = _time(alone) if alone else None
        if first is None or _time(row) is None:
            continue
        counts = [1 << i for i in range(row["devices"].bit_length())]
        shapes = {n: shape for n in counts if (shape := slice_of(whole.chip, n))}
        times = [_predicted(row, whole, shape, n) for n, shape in shapes.items() if n > 1]
        curves.append(
            {
                "program": row["program"],
                "strategy": row["strategy"],
                "each": row["each"],
                "chips": list(shapes),
                "efficiency": predict.weak_efficiency([first, *times]),
            }
        )
    return curves


def _least_batches(rows: Sequence[Row]) -> dict[str, int]:
    """Examples a chip from which weak scaling to all chips keeps ``TARGET``, by program."""
    found = {}
    compiled = [r for r in rows if r["part"] == cells.COMPILED and r["strategy"] == "mesh"]
    pairs = [
        (few, many)
        for few in compiled
        for many in compiled
        if (few["study"], many["study"]) == (cells.STRONG, cells.WEAK)
        and few["program"] == many["program"]
        and few["devices"] == many["devices"]
        and few["each"] < many["each"]
        and few.get("prediction")
        and many.get("prediction")
    ]
    for few, many in pairs:
        least = predict.least_batch(
            (few["each"], many["each"]),
            (_least_work(few), _least_work(many)),
            many["prediction"]["exposed"],
            TARGET,
        )
        if math.isfinite(least):
            found[few["program"]] = max(1, math.ceil(least))
    return found


def _least_work(row: Row) -> float:
    """Seconds without communication by the estimate that makes efficiency lower."""
    prediction = row["prediction"]
    return min(prediction["step"] - prediction["exposed"], row["compiler_seconds"])


def _predicted(row: Row, whole: Slice, shape: tuple[int, ...], chips: int) -> float:
    collectives = [Collective(**c)._replace(group=chips) for c in row["collectives"]]
    return predict.step(
        whole.chip,
        shape,
        flops=row["flops"],
        bytes_accessed=row["bytes"],
        collectives=collectives,
    ).step


def write(workdir: Workdir, results: Mapping[str, Any]) -> None:
    """Writes the three files and the plots."""
    workdir.write_json("scaling.json", results)
    workdir.write_text("scaling.csv", as_csv(results))
    page.write(workdir.path, results)


def as_csv(results: Mapping[str, Any]) -> str:
    """One line a cell."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in results["cells"]:
        writer.writerow(_flat(row))
    return text.getvalue()


def _flat(row: Row) -> dict[str, Any]:
    flat = {name: row.get(name) for name in _COLUMNS}
    seconds, prediction = row.get("seconds") or {}, row.get("prediction") or {}
    flat |= {"seconds": seconds.get("median"), "q1": seconds.get("q1"), "q3": seconds.get("q3")}
    flat["rate"] = (row.get("rate") or {}).get("median")
    flat["memory"] = (row.get("memory") or {}).get("total")
    collectives = row.get("collectives")
    if collectives is not None:
        flat["collectives"] = sum(c["times"] for c in collectives)
        flat["collective_bytes"] = sum(c["times"] * c["bytes"] for c in collectives)
    flat |= {name: prediction.get(name) for name in ("compute", "communication", "exposed", "step")}
    flat["memory_seconds"] = prediction.get("memory")
    return flat


def as_text(results: Mapping[str, Any]) -> str:
    """Tables for a terminal."""
    rows = results["cells"]
    parts = [f"{results['topology']}: {results['chips']} chips"]
    compiled = [r for r in rows if r["part"] in (cells.COMPILED, cells.LADDER)]
    measured = [r for r in rows if r["part"] == cells.MEASURED]
    if compiled:
        head = (
            *("compiled", "study", "strategy", "chips", "each", "GFLOP", "MB", "memory", "fits"),
            *("collectives", "their MB", "step ms", "efficiency", "compiler's"),
        )
        parts += ["", align(head, [_compiled_line(_flat(row)) for row in compiled])]
    for program, least in results["least_batch"].items():
        parts.append(f"{program}: {TARGET:.0%} on all chips from {least:,} examples a chip on")
    if measured:
        columns = ("study", "strategy", "devices", "each", "ms", "quartiles", "efficiency")
        parts += ["", align(["measured", *columns], [_measured_line(_flat(r)) for r in measured])]
        if any(r.get("simulated") for r in measured):
            parts.append("simulated devices share one CPU: efficiency here tells of the mechanism")
    return "\n".join(parts)


def _compiled_line(row: Row) -> list[str]:
    first = [row["program"], row["study"], row["strategy"], str(row["devices"]), str(row["each"])]
    if row["fault"] is not None:
        return [*first, "", "", "", row["fault"][:40], "", "", "", "", ""]
    return [
        *first,
        _scaled(row["flops"], 1e9),
        _scaled(row["bytes"], 1e6),
        f"{row['memory'] / 1e9:.3f} GB",
        "yes" if row["fits"] else "no",
        str(row["collectives"]),
        _scaled(row["collective_bytes"], 1e6),
        _scaled(row["step"], 1e-3),
        _share(row["efficiency"]),
        _share(row["compiler_efficiency"]),
    ]


def _measured_line(row: Row) -> list[str]:
    first = [row["program"], row["study"], row["strategy"], str(row["devices"]), str(row["each"])]
    if row["seconds"] is None:
        return [*first, str(row["fault"])[:40], "", ""]
    quartiles = f"{1e3 * row['q1']:.2f} .. {1e3 * row['q3']:.2f}"
    return [*first, _scaled(row["seconds"], 1e-3), quartiles, _share(row["efficiency"])]


def _scaled(value: float | None, unit: float) -> str:
    return "" if value is None else f"{value / unit:.4g}"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"
