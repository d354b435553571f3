"""Pictures of architectures, for every space through its ``labels``."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path
from numpy.typing import ArrayLike

from pnag_jax import spaces
from pnag_jax.reports import layout, style
from pnag_jax.spaces import Labels

_POINTS = 9.5
_LINE_LENGTH = 8
_PAD = (0.14, 0.1)  # width and height that a box adds to its text, inches


def draw(
    space_name: str, genotype: ArrayLike, path: str | os.PathLike[str] | None = None
) -> Figure:
    """Draws one architecture from left to right.

    An operation has the same colour in every picture of its space.  What lies
    on no way from the input to the output is drawn pale and dashed.

    Args:
      space_name: a name of ``spaces.names()``.
      genotype: int ``[L]``.
      path: where to write the picture as PNG; None to write nothing.

    Returns:
      The figure, which no global state knows of.

    Raises:
      SpaceError: the space is unknown or does not accept the genotype.
    """
    space = spaces.get(space_name)
    figure = draw_labels(space.labels(np.asarray(genotype)), space.op_names)
    if path is not None:
        style.write_bytes(path, style.png(figure, flat=True))
    return figure


def draw_labels(labels: Labels, op_names: Sequence[str]) -> Figure:
    """Draws a graph that is already in words.

    Args:
      labels: names of nodes and edges.  Nodes whose names start with "input"
        or "output" are the ends, else the first and the last node are.
      op_names: the operations of the space, which settle the colours.
    """
    node_text = [_wrapped(name) for name in labels.nodes]
    edge_text = [_wrapped(name) for _, _, name in labels.edges]
    sizes = [_box_size(text) for text in node_text]
    plan = layout.arrange(
        sizes,
        [(source, target) for source, target, _ in labels.edges],
        [_box_size(text) if text else (0.0, 0.0) for text in edge_text],
    )
    figure = Figure(figsize=(plan.width, plan.height), facecolor=style.PAPER)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    axes.set_xlim(0, plan.width)
    axes.set_ylim(0, plan.height)

    live = live_nodes(labels)
    for (source, target, name), curve in zip(labels.edges, plan.curves, strict=True):
        _draw_edge(axes, curve, style.op_colour(name, op_names), source in live and target in live)
    for (source, target, name), text, at in zip(labels.edges, edge_text, plan.names, strict=True):
        if name:
            colour = style.op_colour(name, op_names)
            _draw_box(axes, at, text, colour, source in live and target in live, small=True)
    for node, (text, at) in enumerate(zip(node_text, plan.centres, strict=True)):
        _draw_box(axes, at, text, style.op_colour(labels.nodes[node], op_names), node in live)
    return figure


def live_nodes(labels: Labels) -> set[int]:
    """Nodes on some way from an input to an output."""
    named = [name.lower() for name in labels.nodes]
    starts = {i for i, name in enumerate(named) if name.startswith("input")} or {0}
    ends = {i for i, name in enumerate(named) if name.startswith("output")} or {len(named) - 1}
    ahead, behind = set(starts), set(ends)
    for _ in labels.nodes:  # as many rounds as the longest possible path
        ahead |= {target for source, target, _ in labels.edges if source in ahead}
        behind |= {source for source, target, _ in labels.edges if target in behind}
    return ahead & behind


def _wrapped(name: str) -> str:
    """A long name in two lines, parted where the longer line is shortest."""
    if len(name) <= _LINE_LENGTH:
        return name
    breaks = [i for i, letter in enumerate(name) if letter in "_ -" and 0 < i < len(name) - 1]
    if not breaks:
        return name
    at = min(reversed(breaks), key=lambda i: max(i, len(name) - i - 1))
    return f"{name[:at]}\n{name[at + 1 :]}"


def _box_size(text: str) -> tuple[float, float]:
    width, height = style.text_size(text, _POINTS)
    return max(width + _PAD[0], 0.3), height + _PAD[1]


def _draw_edge(axes: Axes, curve: np.ndarray, colour: str, live: bool) -> None:
    codes = [Path.MOVETO] + [Path.CURVE4] * (len(curve) - 1)
    axes.add_patch(
        FancyArrowPatch(
            path=Path(curve, codes),
            arrowstyle="-|>,head_length=4.5,head_width=2.4",
            mutation_scale=1.0,
            color=colour if live else style.tint(colour, 0.45),
            linewidth=1.6 if live else 1.1,
            linestyle="-" if live else (0, (3, 2)),
            capstyle="butt",
            joinstyle="miter",
            zorder=1,
        )
    )


def _draw_box(
    axes: Axes, at: Sequence[float], text: str, colour: str, live: bool, small: bool = False
) -> None:
    width, height = _box_size(text)
    axes.add_patch(
        FancyBboxPatch(
            (at[0] - width / 2, at[1] - height / 2),
            width,
            height,
            boxstyle=f"round,pad=0,rounding_size={0.07 if small else 0.1}",
            facecolor=style.tint(colour, 0.16 if live else 0.05),
            edgecolor=style.tint(colour, 1.0 if live else 0.4),
            linewidth=1.0,
            linestyle="-" if live else (0, (3, 2)),
            zorder=2,
        )
    )
    axes.text(
        at[0],
        at[1],
        text,
        ha="center",
        va="center",
        fontsize=_POINTS,
        linespacing=1.05,
        color=style.INK if live else style.MUTED,
        zorder=3,
        parse_math=False,
    )
