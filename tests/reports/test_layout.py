"""Geometry of drawings: nothing overlaps, nothing hides, nothing is cut."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pnag_jax.reports import layout

BOX = (0.6, 0.3)
NAME = (0.7, 0.4)
NB201 = [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]


def points(curve: np.ndarray) -> np.ndarray:
    return layout._bezier_points(curve, 60)


def inside(at: np.ndarray, centre: np.ndarray, size: tuple[float, float]) -> np.ndarray:
    return np.all(np.abs(at - centre) < np.array(size) / 2 - 1e-6, axis=-1)


@st.composite
def dags(draw):
    count = draw(st.integers(2, 7))
    pairs = list(itertools.combinations(range(count), 2))
    kept = draw(st.sets(st.sampled_from(pairs), min_size=1))
    return count, sorted(kept)


@settings(max_examples=60, deadline=None)
@given(dags())
def test_layers_keep_edges_off_other_nodes(dag):
    count, edges = dag
    plan = layout.arrange([BOX] * count, edges, [(0.0, 0.0)] * len(edges))
    for a, b in itertools.combinations(range(count), 2):
        apart = np.abs(plan.centres[a] - plan.centres[b])
        assert apart[0] >= BOX[0] - 1e-6 or apart[1] >= BOX[1] - 1e-6
    for (source, target), curve in zip(edges, plan.curves, strict=True):
        assert curve[0][0] == pytest.approx(plan.centres[source][0] + BOX[0] / 2)
        assert curve[-1][0] == pytest.approx(plan.centres[target][0] - BOX[0] / 2)
        assert curve[0][0] < curve[-1][0]
        for node in set(range(count)) - {source, target}:
            assert not inside(points(curve), plan.centres[node], BOX).any()


@settings(max_examples=60, deadline=None)
@given(dags())
def test_everything_is_in_the_frame(dag):
    count, edges = dag
    for names in ([(0.0, 0.0)] * len(edges), [NAME] * len(edges)):
        plan = layout.arrange([BOX] * count, edges, names)
        corners = [plan.centres - np.array(BOX) / 2, plan.centres + np.array(BOX) / 2]
        spots = np.concatenate([*corners, *(points(curve) for curve in plan.curves)])
        assert (spots >= 0).all()
        assert (spots <= (plan.width, plan.height)).all()


@pytest.mark.parametrize("count", range(1, 7))
def test_arcs_of_a_cell_do_not_hide_each_other(count):
    for edges in itertools.combinations(NB201, count):
        plan = layout.arrange([BOX] * 4, edges, [NAME] * count)
        for a, b in itertools.combinations(range(count), 2):
            assert (np.abs(plan.names[a] - plan.names[b]) >= NAME).any()
        for i, j in itertools.permutations(range(count), 2):
            assert not inside(points(plan.curves[i]), plan.names[j], NAME).any()
        for name in plan.names:
            for centre in plan.centres:
                assert (np.abs(name - centre) >= (np.array(NAME) + BOX) / 2 - 1e-6).any()


def test_cells_of_four_nodes_keep_their_places():
    whole = layout.arrange([BOX] * 4, NB201, [NAME] * 6)
    part = layout.arrange([BOX] * 4, [(1, 3)], [NAME])
    np.testing.assert_allclose(part.centres, whole.centres)
    np.testing.assert_allclose(part.curves[0], whole.curves[4])


def test_lanes_by_hand():
    # (0, 2) goes above; (1, 3) would cross it there and goes below; (0, 3)
    # crosses nothing on either side and takes the upper, one level higher.
    lanes = layout._lanes(set(NB201))
    assert lanes == {(0, 2): (1, 1), (1, 3): (-1, 1), (0, 3): (1, 2)}


def test_long_chains_fold_into_rows_that_read_left_to_right():
    edges = [(i, i + 1) for i in range(9)]
    plan = layout.arrange([BOX] * 10, edges, [(0.0, 0.0)] * 9)
    x, y = plan.centres.T
    assert len(np.unique(y)) == 2
    assert (np.diff(x[:5]) > 0).all() and (np.diff(x[5:]) > 0).all()
    assert y[0] > y[-1]


def test_short_chains_stay_on_one_row():
    plan = layout.arrange([BOX] * 5, [(i, i + 1) for i in range(4)], [(0.0, 0.0)] * 4)
    assert np.ptp(plan.centres[:, 1]) == pytest.approx(0)


def test_untangle_removes_a_crossing():
    layers, links = [[0, 1], [2, 3]], [(0, 3), (1, 2)]
    assert layout._crossings(layers, links) == 1
    layout._untangle(layers, links)
    assert layout._crossings(layers, links) == 0


def test_isotonic_by_hand():
    # 3 and 1 pool to 2; 5 stays; 4 and 2 pool with 5 to 11/3.
    np.testing.assert_allclose(layout._isotonic(np.array([3.0, 1.0, 5.0, 4.0, 2.0])),
                               [2, 2, 11 / 3, 11 / 3, 11 / 3])  # fmt: skip


def test_cycles_and_empty_graphs_are_refused():
    with pytest.raises(ValueError, match="cycle"):
        layout.arrange([BOX] * 2, [(0, 1), (1, 0)], [(0.0, 0.0)] * 2)
    with pytest.raises(ValueError, match="node"):
        layout.arrange([], [], [])
