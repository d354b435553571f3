"""What a trained prior gives: its promise on a grid, and what the user asks for.

Writes ``conditional.json``, what was found last and what for, and the asked
samples behind the others in ``generated.jsonl``.
"""

from __future__ import annotations

import functools
import json
import statistics
import time
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from experiments import conditioning, request
from experiments.command import say
from experiments.conditional import Trained
from experiments.conditioning import SIZES
from experiments.generating import GENERATED, entry
from experiments.request import Calibration, Request
from pnag_jax.generation import evaluation, prior, promise
from pnag_jax.generation.labels import highest, quantiles
from pnag_jax.generation.prior import Conditions, Sampling
from pnag_jax.training import files
from pnag_jax.training.workdir import Workdir

FOUND = "conditional.json"

_CALLS = 7
_SHOWN = 12
# Quantiles that samples are judged on where nothing is asked for.
_DEFAULT_QUALITY, _DEFAULT_HARDWARE = 0.9, 0.1


def found(folder: Workdir) -> dict[str, Any] | None:
    """``conditional`` of ``results.json``, None before; ``DataError`` if damaged."""
    kept = folder.read_json(FOUND)
    return None if kept is None else kept["found"]


def is_done(folder: Workdir, config: ConfigDict) -> bool:
    """Whether the last that was found is what the config asks for."""
    kept = folder.read_json(FOUND)
    return kept is not None and kept["inputs"] == _inputs(config)


def _inputs(config: ConfigDict) -> dict[str, Any]:
    return files.plain({"prior": config.prior.to_dict() | {"enabled": True}} | config.ask.to_dict())


def run(config: ConfigDict, trained: Trained, *, key: jax.Array, folder: Workdir) -> dict[str, Any]:
    """Measures the promise, draws what is asked for, writes both down.

    Args:
      config: of a space.
      trained: from ``conditional.train``.
      key: consumed.
      folder: of the run.

    Returns:
      ``conditional`` of ``results.json``.

    Raises:
      UsageError: something is asked for that is not accepted.
      UserError: the system refuses a write.
    """
    ask = config.ask
    sampling = Sampling(guidance=ask.guidance, temperature=ask.temperature, top_k=ask.top_k)
    keys = jax.random.split(key, 5)
    key_request, key_sample, key_promise, key_uniform, key_calibrate = keys
    # One shape for all: a compilation takes longer than the samples.
    each = max(1, ask.count // len(promise.GRID))

    @functools.cache
    def calibration(device: int) -> tuple[np.ndarray, np.ndarray]:
        return _calibrate(
            jax.random.fold_in(key_calibrate, device), trained, device, sampling, each
        )

    made = request.make(key_request, config, trained.labels, ask.count, calibration)
    for note in made.notes:
        say(note)
    asked = conditioning.asked(config)
    conditions = made.conditions if asked else _default(trained)
    drawn, raw = (
        np.asarray(
            prior.generate(
                key_sample, trained.prior, ask.count, conditions, sampling=sampling, raw=raw
            )
        )
        for raw in (False, True)
    )
    result = {
        "sampling": {
            "guidance": ask.guidance,
            "temperature": ask.temperature,
            "top_k": ask.top_k,
            "keep": ask.keep,
        },
        "asked": _asked(config, made, trained),
        "notes": made.notes,
        "count": ask.count,
        "seconds": _seconds(trained, conditions, ask.count, sampling),
        **evaluation.beside_uniform(key_uniform, trained.prior.generator, drawn, raw),
        **_promises(key_promise, trained, each, ask.keep, calibration, sampling),
    }
    entries = _entries(trained, made, drawn) if asked else []
    if asked:
        result |= {"reached": _reached(trained, made, drawn), "samples": entries[:_SHOWN]}
    _write(folder, entries)
    folder.write_json(FOUND, {"inputs": _inputs(config), "found": result})
    kept = found(folder)
    assert kept is not None
    return kept


def _default(trained: Trained) -> Conditions:
    """What samples are judged on where nothing is asked for."""
    if trained.labels.columns.quality:
        return Conditions(quality=_DEFAULT_QUALITY, task=0)
    return Conditions(hardware=_DEFAULT_HARDWARE, device=0)


def _promises(
    key: jax.Array,
    trained: Trained,
    each: int,
    keep: float,
    calibration: Calibration,
    sampling: Sampling,
) -> dict[str, Any]:
    """``promise`` and ``limits`` of ``results.json``: a row a column, and a column and limit."""
    labels, columns = trained.labels, trained.labels.columns
    kinds = (
        ("quality", "task", columns.quality, labels.quality, labels.told_quality),
        ("hardware", "device", columns.hardware, labels.hardware, labels.told_hardware),
    )
    rows: list[dict[str, Any]] = []
    limits: list[dict[str, Any]] = []
    for field, at, names, values, told in kinds:
        for i, name in enumerate(names):
            key_grid, key_limits = jax.random.split(jax.random.fold_in(key, len(rows)))

            def measure(genotypes: np.ndarray, name: str = name) -> np.ndarray:
                return labels.measure(name, genotypes)

            drawn = promise.draw(
                key_grid,
                trained.prior,
                field=field,
                fixed=Conditions(**{at: i}),
                asked=request.clipped(np.array(promise.GRID), told[:, i]),
                each=each,
                sampling=sampling,
            )
            wanted = np.repeat(np.array(promise.GRID, np.float32), each)
            judged = promise.judge(
                drawn._replace(asked=wanted), measure, values[:, i], labels.generator.genotypes
            )
            judge = "process" if name in labels.judges else "table"
            judge = "space" if name in SIZES else judge
            rows.append({"condition": field, "column": name, "judge": judge, **judged})
            if field == "hardware":

                def ask(key: jax.Array, share: float, n: int, device: int = i) -> jax.Array:
                    return highest(*calibration(device), share, keep=keep) * jax.random.uniform(
                        key, (n,)
                    )

                kept = promise.limits(
                    key_limits,
                    trained.prior,
                    measure,
                    values[:, i],
                    device=i,
                    count=len(wanted),
                    ask=ask,
                    sampling=sampling,
                )
                limits += [{"column": name, **row} for row in kept]
    return {"promise": rows, "limits": limits}


def _calibrate(
    key: jax.Array, trained: Trained, device: int, sampling: Sampling, each: int
) -> tuple[np.ndarray, np.ndarray]:
    """Asked and reached quantiles of samples, by what the prior was told and nothing else."""
    labels = trained.labels
    told = labels.told_hardware[:, device]
    drawn = promise.draw(
        key,
        trained.prior,
        field="hardware",
        fixed=Conditions(device=device),
        asked=request.clipped(np.array(promise.GRID), told),
        each=each,
        sampling=sampling,
    )
    known = np.asarray(labels.generator.genotypes, np.int32)
    rows = {genotype.tobytes(): row for row, genotype in enumerate(known)}
    found = [rows.get(genotype.tobytes(), -1) for genotype in drawn.genotypes.astype(np.int32)]
    reached = np.where(np.array(found) >= 0, told[found], np.nan)
    return drawn.asked, reached


def _asked(config: ConfigDict, made: Request, trained: Trained) -> dict[str, Any] | None:
    """What the user asks for and what that became, None for nothing."""
    if not conditioning.asked(config):
        return None
    asked: dict[str, Any] = {}
    if config.ask.quality is not None:
        asked["task"] = trained.labels.columns.quality[made.task]
        asked["quality"] = config.ask.quality
    if made.limit is not None:
        asked["limit"] = config.ask.limit
    return asked


def _entries(trained: Trained, made: Request, drawn: np.ndarray) -> list[dict[str, Any]]:
    """The samples, each with the quantiles that it was asked for and what is measured of it."""
    labels = trained.labels
    names, columns = [], {}
    for condition, name in _conditions(trained, made):
        asked = np.broadcast_to(np.asarray(getattr(made.conditions, condition)), len(drawn))
        columns[f"asked_{condition}"] = asked
        names.append(name)
    for name in names:
        columns[name] = labels.columns.values(name, drawn)
    return [
        {
            **entry(labels.columns.space, genotype),
            **files.plain({name: float(values[i]) for name, values in columns.items()}),
        }
        for i, genotype in enumerate(drawn)
    ]


def _conditions(trained: Trained, made: Request) -> list[tuple[str, str]]:
    """Conditions that were asked for, and the columns that they are of."""
    columns = trained.labels.columns
    found = []
    if made.conditions.quality is not None:
        found.append(("quality", columns.quality[made.task]))
    if made.limit is not None:
        found.append(("hardware", columns.hardware[made.limit.device]))
    return found


def _reached(trained: Trained, made: Request, drawn: np.ndarray) -> dict[str, Any]:
    """How far the samples give what was asked for; none was filtered."""
    labels, columns = trained.labels, trained.labels.columns
    result: dict[str, Any] = {}
    for condition, name in _conditions(trained, made):
        found = labels.measure(name, drawn)
        names = columns.quality if condition == "quality" else columns.hardware
        values = labels.quality if condition == "quality" else labels.hardware
        among = values[:, names.index(name)]
        result[condition] = {
            "column": name,
            "quantile_asked": float(np.mean(getattr(made.conditions, condition))),
            "quantile_reached": float(np.nanmean(quantiles(found, among))),
            "measured": float(np.mean(~np.isnan(found))),
        }
        if condition == "hardware" and made.limit is not None:
            known = found[~np.isnan(found)]
            result["limit_kept"] = float(made.limit.kept(known).mean()) if len(known) else None
    return result


def _seconds(trained: Trained, conditions: Conditions, count: int, sampling: Sampling) -> float:
    """The median time of a call after its compilation."""
    times = []
    for key in jax.random.split(jax.random.key(0), _CALLS):
        start = time.perf_counter()
        jax.block_until_ready(
            prior.generate(key, trained.prior, count, conditions, sampling=sampling)
        )
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def _write(folder: Workdir, asked: list[dict[str, Any]]) -> None:
    """Puts the asked samples behind the others of ``generated.jsonl``, in place of older ones."""
    path = folder.inside(GENERATED)
    lines = path.read_text().splitlines() if path.exists() else []
    others = [line for line in lines if '"asked_' not in line]
    text = "".join(f"{line}\n" for line in (*others, *map(json.dumps, asked)))
    if lines != text.splitlines():
        folder.write_text(GENERATED, text)
