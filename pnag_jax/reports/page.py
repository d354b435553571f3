"""The HTML page of a run: one file that shows what was done and found."""

from __future__ import annotations

import base64
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from pnag_jax.reports import curves, markup, sections, style
from pnag_jax.reports.markup import Html, tag


class Plots:
    """Writes figures to a folder and gives images that carry their bytes."""

    def __init__(self, folder: pathlib.Path):
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._written: set[str] = set()

    def __call__(self, stem: str, figure: Figure, alt: str, *, flat: bool = False) -> Html:
        data = style.png(figure, flat=flat)
        style.write_bytes(self._folder / f"{stem}.png", data)
        self._written.add(f"{stem}.png")
        width, height = figure.get_size_inches() * style.CSS_PIXELS_PER_INCH
        source = "data:image/png;base64," + base64.b64encode(data).decode("ascii")
        return tag("img", src=source, width=round(width), height=round(height), alt=alt)

    def clean(self) -> None:
        """Removes the plots of an earlier page that this one has not."""
        for path in self._folder.glob("*.png"):
            if path.name not in self._written:
                path.unlink()


def write(
    workdir: str | os.PathLike[str],
    results: Mapping[str, Any],
    metrics: Sequence[Mapping[str, Any]],
) -> None:
    """Writes ``report.html`` and ``plots/*.png`` into a run's folder.

    The page stands alone: style and images are inside it.  A section whose
    results are missing or null is absent, a single number that is null reads
    "not measured".  Apart from the images' bytes the page is a function of the
    arguments alone.

    Args:
      workdir: an existing folder.
      results: what ``results.json`` holds, of one space's run or of a
        comparison (there ``search`` is a list of rows).  Shares such as
        validity are of 1, times in seconds, FLOPs multiply-accumulates.
      metrics: the lines of ``metrics.jsonl``.

    Raises:
      OSError: a file cannot be written; an earlier page is then whole.
    """
    folder = pathlib.Path(workdir)
    keep = Plots(folder / "plots")
    panels = curves.panels(results.get("search"))
    title = _title(results)
    parts = [
        sections.header(title, results, panels),
        sections.tiles(results, panels),
        sections.search(results, panels, keep),
        sections.front(results, keep),
        sections.transfer(results, keep),
        sections.best_architectures(results, keep),
        sections.generation(results, keep),
        sections.conditional(results, keep),
        sections.training(results, metrics, keep),
        sections.provenance(results),
    ]
    document = markup.page(title, *parts)
    style.write_bytes(folder / "report.html", document.encode("utf-8"))
    keep.clean()


def _title(results: Mapping[str, Any]) -> str:
    space = results.get("space")
    if isinstance(results.get("search"), Mapping) or any(
        results.get(part) for part in ("front", "generation", "transfer")
    ):
        return f"Architectures of {space}" if space else "Architectures"
    return f"Search methods on {space}" if space else "Search methods"
