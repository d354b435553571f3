"""Several objectives: fronts against the true one, shares of its hypervolume, members."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pnag_jax.reports import fronts
from pnag_jax.reports.curves import real, reals
from pnag_jax.reports.markup import (
    Html,
    count,
    join,
    number,
    quantity,
    queries,
    section,
    share,
    tag,
)
from pnag_jax.reports.sections.parts import Keep, Results, cell, code, drawing, figure, table

_MOST = 10
_LEAD = (
    "One query reads all objectives of one architecture. Shown is the hypervolume that the queried "
    "architectures dominate, as a share of what the table's own front dominates."
)
# Objectives of which pairs are drawn: every other one against the first.
_MOST_PAIRS = 3


def front(results: Results, keep: Keep) -> Html | None:
    """Plots, a row a method, and the architectures of the front that was found."""
    found = results.get("front")
    if not found:
        return None
    pairs = [(other, 0) for other in range(1, len(found["objectives"]))][:_MOST_PAIRS]
    pictures = [
        figure(
            keep(f"front_{i:02d}" if len(pairs) > 1 else "front", fronts.fronts(found, pair),
                 "Fronts that the methods found, and the true one"),
            _front_caption(found, len(found["objectives"]) == 2),
        )
        for i, pair in enumerate(pairs, start=1)
    ]  # fmt: skip
    curves = keep("hypervolume", fronts.shares(found), "Share of the hypervolume against queries")
    caption = f"Lines: mean over {count(found['seeds'])} seeds. Bands: one standard deviation."
    grid = tag("div", figure(curves, caption), *pictures, class_="plots")
    return section(
        "Several objectives",
        grid,
        _table(found),
        tag("p", _note(found), class_="note"),
        _members(results, found, keep),
        lead=_LEAD,
    )


def _front_caption(found: Mapping[str, Any], flat: bool) -> str:
    text = "Of each method the seed whose share is the median."
    if not flat:
        text += " Fronts of more than two objectives, seen from one side."
    return text


def _table(found: Mapping[str, Any]) -> Html:
    rows = found["rows"]
    goal = share(found["goal_share"]).replace(".00", "")
    head = ["method", *(f"{q} queries" for q in rows[0]["queries"])]
    head += [f"queries to {goal}", "lowest seed", "seconds a seed"]
    best = [max(row["mean"][i] for row in rows) for i in range(len(rows[0]["queries"]))]
    lines = []
    for row in rows:
        cells = [tag("td", row["method"])]
        for i, (mean, std) in enumerate(zip(reals(row["mean"]), reals(row["std"]), strict=True)):
            text = join([share(mean), tag("span", f" ± {100 * std:.2f}", class_="dev")])
            cells.append(tag("td", text, class_="lead-value" if mean == best[i] else None))
        median = row["median_queries_to_goal"]
        cells.append(cell("not reached" if median is None else queries(median)))
        cells.append(cell(share(row["lowest"][-1])))
        cells.append(cell(number(row["seconds_per_seed"])))
        lines.append(tag("tr", *cells))
    return join([tag("h3", found["goal"]), table(head, lines, class_="dense")])


def _note(found: Mapping[str, Any]) -> str:
    truth = found["true_front"]
    ends = [
        f"{objective['name']} {number(nadir)} to {number(ideal)}"
        for objective, nadir, ideal in zip(
            found["objectives"], truth["nadir"], truth["ideal"], strict=True
        )
    ]
    text = (
        "Mean ± standard deviation over seeds, in points of the share; the median number of"
        f" queries to the goal. The true front has {count(truth['size'])} architectures, from"
        f" its worst to its best value {'; '.join(ends)}; these ends are 0 and 1 in the"
        " hypervolume, whose reference point lies 10 % below the worst."
    )
    if found["constraints"]:
        text += f" What violates {', '.join(found['constraints'])} does not count."
    return text


def _members(results: Results, found: Mapping[str, Any], keep: Keep) -> Html | None:
    """Some architectures of the front, from one end to the other, or the preferred ones."""
    members = found["best"]
    if not members:
        return None
    if found["preference"] or len(members) <= _MOST:
        shown = members[:_MOST]
    else:
        last = len(members) - 1
        shown = [members[round(i * last / (_MOST - 1))] for i in range(_MOST)]
    names = list(shown[0]["values"])
    costs = [cost for cost in ("params", "flops") if cost not in names]
    lines = []
    for i, member in enumerate(shown, start=1):
        picture = drawing(results, member, keep, f"front_member_{i:02d}")
        cells = [tag("td", f"#{i}"), tag("td", picture, code(member), class_="picture")]
        cells += [cell(_value(member["values"][name]), data_label=name) for name in names]
        cells += [cell(quantity(member[cost]), data_label=cost) for cost in costs]
        lines.append(tag("tr", *cells))
    what = "The preferred first" if found["preference"] else "From one end to the other"
    return join(
        [
            tag("h3", "Architectures of the front that was found"),
            table(["", "architecture", *names, *costs], lines, class_="best"),
            tag("p", f"{what}: {len(shown)} of {len(members)}.", class_="note"),
        ]
    )


def _value(value: object) -> str:
    found = real(value)
    return quantity(value) if found is not None and abs(found) >= 1e5 else number(value)
