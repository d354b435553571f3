"""Drawings of real architectures of every registered space."""

import subprocess
import sys

import jax
import numpy as np
import pytest
from matplotlib import image as mimage
from matplotlib.text import Text

from pnag_jax import reports, spaces
from pnag_jax.reports import style
from pnag_jax.reports.draw import draw_labels, live_nodes
from pnag_jax.spaces import Labels


@pytest.mark.parametrize("name", spaces.names())
def test_every_space_draws_every_name(name):
    space = spaces.get(name)
    for genotype in np.asarray(space.sample(jax.random.key(0), 6)):
        labels = space.labels(genotype)
        figure = reports.draw(name, genotype)
        shown = [t.get_text().replace("\n", "_") for t in figure.findobj(Text) if t.get_text()]
        wanted = [*labels.nodes, *(edge[2] for edge in labels.edges if edge[2])]
        assert sorted(shown) == sorted(wanted)


@pytest.mark.parametrize("name", spaces.names())
def test_text_lies_in_its_box_and_in_the_picture(name):
    space = spaces.get(name)
    figure = reports.draw(name, np.asarray(space.sample(jax.random.key(1), 1))[0])
    style.png(figure)
    frame = figure.bbox
    boxes = [t.get_window_extent() for t in figure.findobj(Text) if t.get_text()]
    assert all(frame.x0 <= b.x0 and b.x1 <= frame.x1 for b in boxes)
    assert all(frame.y0 <= b.y0 and b.y1 <= frame.y1 for b in boxes)
    for i, a in enumerate(boxes):
        assert not any(a.overlaps(b) for b in boxes[i + 1 :])


def test_draw_writes_a_png_and_returns_the_figure(tmp_path):
    path = tmp_path / "cell.png"
    figure = reports.draw("nb201", [4, 2, 0, 1, 3, 3], path)
    pixels = mimage.imread(path)
    width, height = figure.get_size_inches()
    assert pixels.shape[1] / pixels.shape[0] == pytest.approx(width / height, rel=0.02)
    assert pixels[..., :3].std() > 0.05
    assert [p.name for p in tmp_path.iterdir()] == ["cell.png"]


def test_the_same_architecture_gives_the_same_bytes():
    first, second = (style.png(reports.draw("macro", [0, 1, 2] * 2 + [1, 2])) for _ in range(2))
    assert first == second


def test_bad_input_is_a_space_error(tmp_path):
    with pytest.raises(spaces.SpaceError, match="unknown"):
        reports.draw("nosuch", [0])
    with pytest.raises(spaces.SpaceError, match="0->1 = 7"):
        reports.draw("nb201", [7, 0, 0, 0, 0, 0], tmp_path / "x.png")
    assert not list(tmp_path.iterdir())


def test_an_operation_has_one_colour_and_others_have_others_while_there_are_some():
    for name in spaces.names():
        ops = spaces.get(name).op_names
        active = [style.op_colour(op, ops) for op in ops]
        coloured = [colour for colour in active if colour != style.BASELINE]
        share = -(-len(coloured) // len(style.PALETTE))
        assert len(set(coloured)) == -(-len(coloured) // share)
        assert style.op_colour(ops[0], ops) == style.BASELINE
    assert style.op_colour("nor_conv_3x3", spaces.get("nb201").op_names) != style.op_colour(
        "nor_conv_1x1", spaces.get("nb201").op_names
    )


def test_dead_ends_are_found_and_drawn_dashed():
    # 0 -> 2 -> 3 is live; 1 -> 3 hangs in the air for nothing feeds 1.
    labels = Labels(("input", "1", "2", "output"), ((0, 2, "a"), (2, 3, "b"), (1, 3, "c")))
    assert live_nodes(labels) == {0, 2, 3}
    dashed = [p for p in draw_labels(labels, ("a", "b", "c")).axes[0].patches
              if p.get_linestyle() not in ("-", "solid")]  # fmt: skip
    assert len(dashed) == 3  # the node, its edge and the edge's name


def test_mathematics_in_names_is_not_interpreted():
    figure = draw_labels(Labels(("input", "$x^2$", "output"), ((0, 1, ""), (1, 2, ""))), ())
    assert style.png(figure)
    assert not any(t.get_parse_math() for t in figure.findobj(Text) if t.get_text())


def test_pyplot_is_never_imported():
    code = "from pnag_jax import reports; import sys; print('matplotlib.pyplot' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
