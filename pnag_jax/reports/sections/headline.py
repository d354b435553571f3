"""The page's head: what was run, and the numbers to see first."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from pnag_jax import spaces
from pnag_jax.reports.curves import Panel, median_queries, real, reals
from pnag_jax.reports.markup import (
    NOT_MEASURED,
    Html,
    count,
    number,
    quantity,
    queries,
    seconds,
    share,
    tag,
)
from pnag_jax.reports.sections.parts import Results


class Tile(NamedTuple):
    """One headline number."""

    name: str
    value: str
    under: str


def header(title: str, results: Results, panels: Sequence[Panel]) -> Html:
    """The title and one line of facts: space, tasks, budget, seeds, device."""
    facts = []
    name = str(results.get("space"))
    if name in spaces.names():
        facts.append(f"{spaces.get(name).size:,} architectures in the space")
    tasks = [panel.task for panel in panels if panel.task]
    if not tasks and results.get("task"):
        tasks = [str(results["task"])]
    if tasks:
        facts.append(("task " if len(tasks) == 1 else "tasks ") + ", ".join(tasks))
    rows = [row for panel in panels for row in panel.rows]
    for key in ("queries", "seeds"):
        values = {row.get("budget" if key == "queries" else key) for row in rows} - {None}
        if len(values) == 1:
            facts.append(f"{count(values.pop())} {key}")
    device = (results.get("environment") or {}).get("device_kind")
    if device:
        facts.append(str(device))
    line = tag("p", " · ".join(facts), class_="facts") if facts else None
    return tag("header", tag("h1", title), line)


def tiles(results: Results, panels: Sequence[Panel]) -> Html | None:
    """The numbers to see first; what was not measured has no tile."""
    if isinstance(results.get("search"), Mapping):
        found = [*_best(results), *_after_search(panels)]
    else:
        found = [tile for panel in panels if (tile := _leader(panel))]
    found += [*_front(results), *_generation(results), *_training(results)]
    if not found:
        return None
    return tag(
        "div",
        *(
            tag(
                "div",
                tag("span", tile.name, class_="name"),
                tag("b", tile.value),
                tag("span", tile.under),
                class_="tile",
            )
            for tile in found
        ),
        class_="tiles",
    )


def _best(results: Results) -> list[Tile]:
    entries = results.get("best") or []
    if not entries or real(entries[0].get("report_value")) is None:
        return []
    under = str(results["search"].get("report_metric") or "report metric")
    optimum = real(results["search"].get("optimum"))
    if optimum is not None:
        under += f"; optimum {number(optimum)}"
    return [Tile("Best architecture", number(entries[0]["report_value"]), under)]


def _after_search(panels: Sequence[Panel]) -> list[Tile]:
    if not panels or not panels[0].rows:
        return []
    row = panels[0].rows[0]
    mean, uniform = reals(row.get("mean")), reals(row.get("uniform_mean"))
    found = []
    if len(mean) and math.isfinite(mean[-1]) and panels[0].budgets:
        under = f"mean of {count(row['seeds'])} seeds" if row.get("seeds") else "mean"
        if len(uniform) == len(mean) and math.isfinite(uniform[-1]):
            under += f"; uniform draws {number(uniform[-1])}"
        found.append(Tile(f"After {panels[0].budgets[-1]} queries", number(mean[-1]), under))
    median = queries(median_queries(row, "median_queries_to_optimum"))
    if median != NOT_MEASURED:
        found.append(Tile("Queries to optimum", median, "median over seeds"))
    return found


def _front(results: Results) -> list[Tile]:
    front = results.get("front")
    if not front:
        return []
    row, *others = front["rows"]
    under = f"of the true front after {count(front['budget'])} queries"
    under += "".join(f"; {other['method']} {share(other['mean'][-1])}" for other in others)
    return [Tile("Hypervolume", share(row["mean"][-1]), under)]


def _leader(panel: Panel) -> Tile | None:
    """The method with the best mean over all budgets of a task."""
    full: list[tuple[float, Mapping[str, Any]]] = []
    for row in panel.rows:
        mean = reals(row.get("mean"))
        if len(mean) and np.isfinite(mean).all():
            full.append((float(mean.mean()), row))
    if not full:
        return None
    sign = -1 if panel.lower_is_better else 1
    mean_value, row = max(full, key=lambda pair: sign * pair[0])
    under = f"leads on average over {panel.budgets[0]} to {panel.budgets[-1]} queries"
    return Tile(panel.task, str(row["method"]), f"{under}: {number(mean_value)}")


def _generation(results: Results) -> list[Tile]:
    generation = results.get("generation") or {}
    uniform = generation.get("uniform") or {}
    of = f"of {count(generation['count'])} generated" if generation.get("count") else "generated"
    found = []
    if real(generation.get("raw_validity")) is not None:
        under = of
        if real(generation.get("validity")) is not None:
            under += f"; {share(generation['validity'])} after constrained decoding"
        found.append(Tile("Valid before repair", share(generation["raw_validity"]), under))
    for key, name in (("uniqueness", "Unique"), ("novelty", "Novel")):
        if real(generation.get(key)) is not None:
            beside = real(uniform.get(key))
            under = of if beside is None else f"uniform draws {share(beside)}"
            found.append(Tile(name, share(generation[key]), under))
    rate = real(generation.get("architectures_per_second"))
    if rate is not None:
        one = real(generation.get("seconds_one"))
        under = "architectures a second"
        under += "" if one is None else f"; one alone takes {seconds(one)}"
        found.append(Tile("Speed of generation", quantity(rate, "/s"), under))
    return found


def _training(results: Results) -> list[Tile]:
    training = results.get("training") or {}
    found = []
    exact = real(training.get("reconstruction"))
    if exact is not None:
        found.append(Tile("Exact reconstruction", share(exact), "held-out architectures"))
    use = real(training.get("codebook_use"))
    if use is not None:
        perplexity = real(training.get("codebook_perplexity"))
        under = "of the codebook"
        under += "" if perplexity is None else f"; perplexity {number(perplexity, 1)}"
        found.append(Tile("Codes in use", share(use), under))
    return found
