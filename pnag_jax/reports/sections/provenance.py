"""How a run was made: environment, exact command and config, folded."""

from __future__ import annotations

import json
import shlex

from pnag_jax.reports.markup import Html, section, tag
from pnag_jax.reports.sections.parts import Results


def provenance(results: Results) -> Html | None:
    """Three folds, each only where the results have it."""
    parts = []
    environment = {k: v for k, v in (results.get("environment") or {}).items() if v is not None}
    if environment:
        rows = [
            tag("tr", tag("td", key.replace("_", " ")), tag("td", value))
            for key, value in environment.items()
        ]
        parts.append(_folded("Environment", tag("table", tag("tbody", *rows))))
    command = results.get("command")
    if command:
        line = command if isinstance(command, str) else shlex.join(str(word) for word in command)
        parts.append(_folded("Command", tag("pre", line)))
    if results.get("config") is not None:
        config = json.dumps(results["config"], indent=2, default=str, ensure_ascii=False)
        parts.append(_folded("Config", tag("pre", config)))
    return section("How it was run", *parts)


def _folded(title: str, *children: object) -> Html:
    return tag("details", tag("summary", title), *children, class_="box")
