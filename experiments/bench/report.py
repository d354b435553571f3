"""Measurements for people: tables, and a comparison with an earlier run."""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

from experiments.text_table import align
from pnag_jax.errors import DataError, UsageError

VERSION = 1
PROGRAM = "experiments.benchmark"

# Beside the environment, what a comparison depends on.
_AROUND = ("space", "cores", "load", "generator")
_PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


def read(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The measurements of an earlier run.

    Raises:
      UsageError: no such file, or one of another program.
      DataError: damaged.
    """
    file = pathlib.Path(path)
    try:
        found = json.loads(file.read_bytes())
    except OSError as error:
        raise UsageError(f"--against={path}: cannot read: {error.strerror or error}") from error
    except ValueError as error:
        raise DataError(f"--against={path}: not JSON: damaged or truncated") from error
    if not isinstance(found, dict) or found.get("program") != PROGRAM:
        raise UsageError(f"--against={path}: accepted is a file that {PROGRAM} wrote")
    if found.get("version") != VERSION:
        raise UsageError(f"--against={path}: version {found.get('version')}; accepted is {VERSION}")
    try:
        for entry in entries(found).values():
            if not all(float(entry["rate"][key]) > 0 for key in ("median", "q1", "q3")):
                raise ValueError(entry)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"--against={path}: a measurement is damaged: {error}") from error
    return found


def entries(results: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """All measurements of a run by name."""
    parts = [
        results.get("machine"),
        (results.get("generation") or {}).get("speeds"),
        results.get("training"),
        results.get("search"),
    ]
    return {entry["name"]: entry for part in parts for entry in part or []}


def compare(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rates of two runs side by side.

    Args:
      old: what ``read`` returned.
      new: of this run.

    Returns:
      For each measurement that both have ``name, unit, old, new``, their
      ``old_quartiles`` and ``new_quartiles``, ``ratio`` (above 1 is faster) and
      ``verdict``: "same" while the ranges between the quartiles overlap,
      "faster" or "slower" otherwise.
    """
    before, rows = entries(old), []
    for name, entry in entries(new).items():
        if name not in before:
            continue
        was, now = before[name]["rate"], entry["rate"]
        verdict = "same"
        if now["q1"] > was["q3"]:
            verdict = "faster"
        elif now["q3"] < was["q1"]:
            verdict = "slower"
        rows.append(
            {
                "name": name,
                "unit": now["unit"],
                "old": was["median"],
                "new": now["median"],
                "old_quartiles": [was["q1"], was["q3"]],
                "new_quartiles": [now["q1"], now["q3"]],
                "ratio": now["median"] / was["median"],
                "verdict": verdict,
            }
        )
    return rows


def circumstances(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, list[Any]]:
    """What differs around two runs, ``[old, new]`` by name: machine, load, JAX, generator."""
    before, after = (
        {**run["environment"], **{name: run[name] for name in _AROUND if name in run}}
        for run in (old, new)
    )
    return {
        name: [before.get(name), after.get(name)]
        for name in sorted(before | after)
        if before.get(name) != after.get(name)
    }


def as_text(results: Mapping[str, Any]) -> str:
    """Everything as tables for a terminal."""
    environment = results["environment"]
    parts = [
        f"space {results['space']}; {environment['device_count']} x {environment['device_kind']}"
        f" ({environment['backend']}), {results['cores']} cores,"
        f" load {_or_unknown(results['load'])}",
        "",
        _speeds(results),
        "roofline: least time by the scarcest resource of the machine / time; >100 % for bytes"
        " means that caches hold them",
    ]
    generation = results["generation"]
    if generation:
        parts += ["", _counted(generation["counted"])]
    if results["targets"]:
        parts += ["", _targets(results["targets"])]
    if results["comparison"] is not None:
        parts += ["", _comparison(results["comparison"])]
        differing = results["circumstances"] or {}
        parts += [f"then {name} {old}, now {new}" for name, (old, new) in differing.items()]
    return "\n".join(parts)


def _speeds(results: Mapping[str, Any]) -> str:
    rows = []
    for name, entry in entries(results).items():
        rate, seconds, roof = entry["rate"], entry["seconds"], entry.get("roofline")
        rows.append(
            [
                name,
                _time(seconds["median"]),
                f"{_time(seconds['q1'])} .. {_time(seconds['q3'])}",
                _quantity(rate["median"], rate["unit"]),
                "" if roof is None else f"{roof['share']:.1%} of {roof['limit']}",
            ]
        )
    return align(["measurement", "a call", "quartiles", "rate", "roofline"], rows)


def _counted(counted: Mapping[str, Any]) -> str:
    xla = counted["xla"]
    return (
        f"an architecture: {counted['positions']} codes drawn from {counted['parents']} parents,"
        f" {counted['words']} words and {counted['rows']} rows of {counted['hidden']} looked up,"
        f" {counted['bytes_read']:,} bytes read, {counted['bytes_written']} written,"
        f" {counted['flops']:,.0f} operations; XLA, to which a loop is one turn of it, counts"
        f" {_or_unknown(xla['flops'])} operations and {_or_unknown(xla['bytes'])} bytes"
    )


def _targets(found: list[dict[str, Any]]) -> str:
    rows = []
    for target in found:
        small = target["unit"] == "s"
        show = _time if small else lambda value: f"{value:,.0f}/s"
        bound = f"{'at most' if small else 'at least'} {show(target['target'])}"
        rows.append([target["name"], bound, show(target["measured"]), _yes(target["met"])])
    return align(["target on 2 cores", "promised", "measured", "met"], rows)


def _comparison(found: list[dict[str, Any]]) -> str:
    rows = [
        [
            row["name"],
            _quantity(row["old"], row["unit"]),
            _spread(row["old"], row["old_quartiles"]),
            _quantity(row["new"], row["unit"]),
            _spread(row["new"], row["new_quartiles"]),
            f"{row['ratio']:.2f}",
            row["verdict"],
        ]
        for row in found
    ]
    return align(
        ["against the earlier run", "old", "spread", "new", "spread", "new / old", "verdict"], rows
    )


def _spread(median: float, quartiles: list[float]) -> str:
    """The quartiles as shares of the median.

    >>> _spread(200.0, [190.0, 240.0])
    '-5% +20%'
    """
    low, high = (value / median - 1 for value in quartiles)
    return f"{low:+.0%} {high:+.0%}"


def _yes(met: bool) -> str:
    return "yes" if met else "no"


def _or_unknown(value: float | None) -> str:
    return "unknown" if value is None else f"{value:,.4g}"


def _time(seconds: float) -> str:
    """Seconds with the unit that fits.

    >>> _time(0.000174), _time(0.0213), _time(3.0)
    ('174 us', '21.3 ms', '3 s')
    """
    for scale, unit in ((1e6, "us"), (1e3, "ms")):
        if seconds * scale < 1000:
            return f"{seconds * scale:.3g} {unit}"
    return f"{seconds:.3g} s"


def _quantity(value: float, unit: str) -> str:
    for scale, prefix in _PREFIXES:
        if value >= scale:
            return f"{value / scale:.3g} {prefix} {unit}"
    return f"{value:.3g} {unit}"
