"""What a run came to: a line a phase, ``results.json`` and ``report.html``."""

from __future__ import annotations

from typing import Any

from ml_collections import ConfigDict

import pnag_jax  # its parts load when used: matplotlib behind the training
from experiments import asking, conditional_text, fronts, phases
from experiments.command import say
from pnag_jax.training import files, metrics
from pnag_jax.training.workdir import Workdir


def summary(name: str, found: dict[str, Any]) -> str:
    """A finished phase in one line."""
    if name == "training":
        return (
            f"{found['steps']} steps in {found['seconds']:.0f} s, loss {found['loss']:.4g};"
            f" {found['reconstruction']:.2%} of {found['held_out']} held-out architectures come"
            f" back exactly; {found['codebook_use']:.0%} of the codes in use"
        )
    if name == "generation":
        return (
            f"{found['held_out_reconstruction']:.2%} of the held-out architectures come back;"
            f" {found['count']} architectures, {found['raw_validity']:.2%} valid before repair and"
            f" {found['validity']:.2%} after, {found['seconds_one'] * 1e3:.3f} ms for one,"
            f" {found['architectures_per_second']:,.0f} a second"
        )
    if name == "front":
        return fronts.outcome(found)
    if name in ("prior", "conditional"):
        return conditional_text.summary(name, found)
    row = found["search"]
    uniform = "" if row["uniform_mean"] is None else f", {row['uniform_mean'][-1]:.4g} by chance"
    return (
        f"{row['method']} finds {row['report_metric']} {row['mean'][-1]:.4g} on {row['task']} after"
        f" {row['budget']} queries (mean of {row['seeds']} seeds{uniform};"
        f" optimum {row['optimum']:.4g})"
    )


def report(
    folder: Workdir, space_name: str, config: ConfigDict, environment: dict[str, Any]
) -> dict[str, Any]:
    """Writes ``report.html`` and ``results.json`` unless they are there already."""
    searched = phases.result(folder, "search") or {"search": None, "best": []}
    several = phases.result(folder, "front") or {}
    task = (searched["search"] or {}).get("task") or several.get("front", {}).get("goal")
    results = {
        "version": 1,
        "space": space_name,
        "task": task,
        "config": files.plain(config.to_dict()),
        "environment": environment,
        "training": phases.result(folder, "training"),
        "generation": phases.result(folder, "generation"),
        "prior": phases.result(folder, "prior"),
        "conditional": asking.found(folder),
        **searched,
        **several,
        **(phases.result(folder, "transfer") or {"transfer": None}),
    }
    page = folder.inside("report.html")
    found = folder.read_json("results.json")
    if found is not None and page.exists() and results == found | {"environment": environment}:
        say(f"nothing left to do: {page}")
        return found
    with files.writing(page):
        pnag_jax.reports.write(folder.path, results, metrics.read(folder.inside(metrics.METRICS)))
    # Last: where it is, the page is its page.
    folder.write_json("results.json", results)
    say(f"report: {page}")
    return results
