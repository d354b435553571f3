"""Colours, type sizes and empty figures: one look for every picture.

Nothing here touches ``pyplot`` or the global ``rcParams``: a report may be
written from any thread, and beside a user's own plots.
"""

from __future__ import annotations

import functools
import io
import os
import zlib
from collections.abc import Iterable, Sequence

import numpy as np
from matplotlib import colors as mcolors
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextToPath
from PIL import Image

INK = "#1c2230"
MUTED = "#5d6678"
RULE = "#dfe3ea"
PAPER = "#ffffff"

# Okabe and Ito's palette, which people with any of the common colour-vision
# deficiencies can tell apart, its yellow darkened to be seen on white.
PALETTE = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#b65a93",
    "#e69f00",
    "#3aa5de",
    "#6a51a3",
    "#8a7d00",
)
BASELINE = "#7b8494"
ACCENT = PALETTE[0]

# Beyond the palette's end the colours repeat with another line.
_LINES = ("-", "--", "-.", ":")
_BASELINES = ("random", "uniform")
_PASSIVE = ("skip", "ident", "none")

# Natural size of a figure on the page: 9.5 points of text read as 11 pixels.
CSS_PIXELS_PER_INCH = 85
_DPI = 160
LABEL_SIZE = 9.0
TITLE_SIZE = 10.5


def line_styles(names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """``(colour, line)`` of each name, by order; baselines are grey and dashed."""
    styles: dict[str, tuple[str, str]] = {}
    taken = 0
    for name in names:
        if name.startswith(_BASELINES):
            styles[name] = (BASELINE, "--")
            continue
        styles[name] = (
            PALETTE[taken % len(PALETTE)],
            _LINES[taken // len(PALETTE) % len(_LINES)],
        )
        taken += 1
    return styles


def op_colour(name: str, op_names: Sequence[str]) -> str:
    """The colour of an operation: the same in every picture of its space.

    Operations that compute nothing (skip, identity, none) are grey, and so
    are the space's inputs and outputs.  Where there are more operations than
    colours, neighbours in ``op_names`` share one.
    """
    if is_terminal(name) or name.lower().startswith(_PASSIVE):
        return BASELINE
    active = [op for op in op_names if not (is_terminal(op) or op.lower().startswith(_PASSIVE))]
    if name not in active:
        return PALETTE[zlib.crc32(name.encode()) % len(PALETTE)]
    each = -(-len(active) // len(PALETTE))
    return PALETTE[active.index(name) // each]


def is_terminal(name: str) -> bool:
    """Whether a node is an input, an output or a tensor without an operation."""
    return name.lower().startswith(("input", "output")) or name.isdigit() or not name


def tint(colour: str, share: float) -> tuple[float, float, float]:
    """``share`` of a colour on paper, opaque."""
    red, green, blue = (
        share * c + (1 - share) * p
        for c, p in zip(mcolors.to_rgb(colour), mcolors.to_rgb(PAPER), strict=True)
    )
    return red, green, blue


@functools.lru_cache(maxsize=4096)
def text_size(text: str, points: float) -> tuple[float, float]:
    """Width and height in inches of text of one or more lines."""
    lines = text.split("\n")
    measure = TextToPath().get_text_width_height_descent
    font = FontProperties(size=points)
    width = max(measure(line, font, ismath=False)[0] for line in lines)
    return width / 72, 1.25 * points * len(lines) / 72


def new_axes(width: float, height: float, title: str, x_label: str, y_label: str) -> Axes:
    """Axes of a new figure of that many inches, with the house's frame."""
    figure = Figure(figsize=(width, height), facecolor=PAPER, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(
        title,
        loc="left",
        fontsize=TITLE_SIZE,
        fontweight="bold",
        color=INK,
        pad=10,
        parse_math=False,
    )
    axes.set_xlabel(x_label, fontsize=LABEL_SIZE, color=MUTED, parse_math=False)
    axes.set_ylabel(y_label, fontsize=LABEL_SIZE, color=MUTED, parse_math=False)
    axes.tick_params(
        which="both", labelsize=LABEL_SIZE, colors=MUTED, labelcolor=INK, length=0, pad=5
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(RULE)
    axes.grid(color=RULE, linewidth=0.7)
    axes.set_axisbelow(True)
    return axes


def legend_below(axes: Axes, columns: int = 3) -> None:
    """Puts the legend under the axes, where it hides no curve."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        legend = axes.get_figure().legend(  # type: ignore[union-attr]
            handles,
            labels,
            loc="outside lower center",
            ncols=min(columns, len(labels)),
            fontsize=LABEL_SIZE,
            frameon=False,
            labelcolor=INK,
            handlelength=1.8,
            columnspacing=1.4,
        )
        for text in legend.get_texts():
            text.set_parse_math(False)


def png(figure: Figure, *, flat: bool = False) -> bytes:
    """The figure as PNG, the same bytes every time.

    Args:
      figure: what to render.
      flat: reduce it to 256 colours, a quarter of the size.  Only for
        pictures of few plain colours: shades that overlap would change.
    """
    figure.set_dpi(_DPI)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    if flat:
        image = image.quantize(256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    image.save(buffer, format="png", dpi=(_DPI, _DPI))
    return buffer.getvalue()


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Writes a file at once or not at all."""
    partial = f"{os.fspath(path)}.partial"
    with open(partial, "wb") as file:
        file.write(data)
    os.replace(partial, path)
