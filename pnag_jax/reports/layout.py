"""Where the nodes and edges of a small architecture go: geometry, no drawing.

Two layouts, both left to right:

* ``arcs`` where edges carry the operations: nodes stand on one line, an edge
  to the next node is straight, longer ones arch above or below it.
* ``layers`` where nodes carry them: every node stands one layer behind the
  last of its predecessors, an edge that passes a layer gets a lane of its own
  there, so that no edge runs through a node.  A long chain is folded into
  rows.

Lengths are inches.  Letters: ``N`` nodes, ``E`` edges.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

Size = tuple[float, float]
Pair = tuple[int, int]

_MARGIN = 0.08
_ARC_LEVEL = 0.54  # height that each nested arch adds
_ARC_GAP = 0.28  # beside an edge's name, for the line and its head
_LAYER_GAP = 0.42
_NODE_GAP = 0.22
_LANE = 0.16  # height of an edge's lane through a layer
_ROW_GAP = 0.36
_ROW_STEP = 0.28
_CHAIN_ROW = 6
# Up to this many nodes arches keep their place whether or not the others are
# there, so that pictures of one space can be compared by eye.
_STEADY_NODES = 4
_SWEEPS = 8


class Layout(NamedTuple):
    """A finished layout.

    Attributes:
      centres: ``[N, 2]``, of the nodes.
      curves: one array ``[3 k + 1, 2]`` of cubic Bezier points an edge.
      names: ``[E, 2]``, centres of the edges' names.
      width: of the picture, margins included; its left end is 0.
      height: of the picture, margins included; its lower end is 0.
    """

    centres: np.ndarray
    curves: tuple[np.ndarray, ...]
    names: np.ndarray
    width: float
    height: float


def arrange(sizes: Sequence[Size], edges: Sequence[Pair], names: Sequence[Size]) -> Layout:
    """Lays a graph out.

    Args:
      sizes: width and height of each node.
      edges: ``(source, target)`` of each edge, of an acyclic graph.
      names: width and height of each edge's name, 0 where it has none.

    Raises:
      ValueError: the graph has a cycle or no node.
    """
    if not sizes:
        raise ValueError("a drawing needs at least one node")
    order = _topological(len(sizes), edges)
    if any(width > 0 for width, _ in names):
        plan = _arcs(sizes, edges, names, order)
    elif len(sizes) > _CHAIN_ROW and _is_chain(len(sizes), edges):
        plan = _folded_chain(sizes, edges, order)
    else:
        plan = _layers(sizes, edges, order)
    return _framed(plan, sizes, names)


def _topological(count: int, edges: Sequence[Pair]) -> list[int]:
    """Nodes with every edge pointing forward, the lowest index first."""
    waiting = set(range(count))
    order: list[int] = []
    while waiting:
        ready = [v for v in sorted(waiting) if not any(t == v and s in waiting for s, t in edges)]
        if not ready:
            raise ValueError(f"the graph to draw has a cycle among nodes {sorted(waiting)}")
        order.append(ready[0])
        waiting.remove(ready[0])
    return order


class _Plan(NamedTuple):
    """A layout before it is framed; ``reach`` ``[R, 2]`` must lie in the picture."""

    centres: np.ndarray
    curves: list[np.ndarray]
    names: np.ndarray
    reach: np.ndarray


def _framed(plan: _Plan, sizes: Sequence[Size], names: Sequence[Size]) -> Layout:
    """Shifts everything to positive coordinates and measures the picture."""
    centres, curves, marks, reach = plan
    boxes = np.concatenate([centres, marks.reshape(-1, 2)])
    halves = np.concatenate([np.asarray(sizes), np.asarray(names, float).reshape(-1, 2)]) / 2
    points = [boxes - halves, boxes + halves, reach, *(_bezier_points(c) for c in curves)]
    stacked = np.concatenate(points)
    low = stacked.min(0) - _MARGIN
    width, height = stacked.max(0) + _MARGIN - low
    return Layout(
        centres - low, tuple(c - low for c in curves), marks - low, float(width), float(height)
    )


def _bezier_points(curve: np.ndarray, per_piece: int = 24) -> np.ndarray:
    """Points along a chain of cubic pieces: ``[3 k + 1, 2] -> [k per_piece, 2]``."""
    t = np.linspace(0, 1, per_piece)[:, None]
    weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3)
    pieces = [
        sum(w * p for w, p in zip(weights, curve[i : i + 4], strict=True))
        for i in range(0, len(curve) - 1, 3)
    ]
    return np.concatenate(pieces)


# -- edges that carry the operations --------------------------------------------


def _arcs(
    sizes: Sequence[Size], edges: Sequence[Pair], names: Sequence[Size], order: list[int]
) -> _Plan:
    place = {node: i for i, node in enumerate(order)}
    spans = [(place[s], place[t]) for s, t in edges]
    between = max(width for width, _ in names) + _ARC_GAP
    left = np.cumsum([0.0, *(sizes[v][0] + between for v in order[:-1])])
    centres = np.array([(left[place[v]] + size[0] / 2, 0.0) for v, size in enumerate(sizes)])

    count = len(sizes)
    pairs = set(spans)
    if count <= _STEADY_NODES:
        pairs = set(itertools.combinations(range(count), 2))
    lanes = _lanes(pairs)

    curves: list[np.ndarray] = []
    marks = np.zeros((len(edges), 2))
    for i, (a, b) in enumerate(spans):
        source, target = order[a], order[b]
        if b - a == 1:
            start = centres[source] + (sizes[source][0] / 2, 0)
            end = centres[target] - (sizes[target][0] / 2, 0)
            curve = _straight(start, end)
        else:
            side, level = lanes[a, b]
            rivals_out = [q for q in pairs if q[0] == a and q[1] - a > 1 and lanes[q][0] == side]
            rivals_in = [q for q in pairs if q[1] == b and b - q[0] > 1 and lanes[q][0] == side]
            start = _port(centres[source], sizes[source], side, +1, (a, b), rivals_out)
            end = _port(centres[target], sizes[target], side, -1, (a, b), rivals_in)
            # A cubic arch reaches 3/4 of its control points' height.
            rise = side * (level * _ARC_LEVEL - abs(start[1])) / 0.75
            lean = 0.22 * (end[0] - start[0])
            curve = np.array([start, _moved(start, lean, rise), _moved(end, -lean, rise), end])
        curves.append(curve)
        marks[i] = _bezier_points(curve, 3)[1]
    tallest = max(height for _, height in names) / 2
    reach = [
        (centres[:, 0].mean(), side * (level * _ARC_LEVEL + tallest))
        for side, level in lanes.values()
    ]
    return _Plan(centres, curves, marks, np.array(reach).reshape(-1, 2))


def _lanes(pairs: set[Pair]) -> dict[Pair, tuple[int, int]]:
    """Side (+1 above, -1 below) and level of every arch, short ones first.

    An arch takes the side where it crosses fewer of those placed, then the
    one where it stands lower, then the upper.
    """
    lanes: dict[Pair, tuple[int, int]] = {}
    for a, b in sorted((p for p in pairs if p[1] - p[0] > 1), key=lambda p: (p[1] - p[0], p)):
        options = []
        for side in (+1, -1):
            beside = [(q, level) for q, (s, level) in lanes.items() if s == side]
            crossed = sum((a < c < b < d) or (c < a < d < b) for (c, d), _ in beside)
            under = [level for (c, d), level in beside if c < b and a < d]
            options.append((crossed, 1 + max(under, default=0), -side))
        _, level, flipped = min(options)
        lanes[a, b] = (-flipped, level)
    return lanes


def _port(
    centre: np.ndarray, size: Size, side: int, direction: int, pair: Pair, rivals: list[Pair]
) -> np.ndarray:
    """Where an arch meets its node: the longer, the nearer to the middle."""
    ranked = sorted(rivals, key=lambda q: q[0] - q[1])
    offset = (ranked.index(pair) + 1) / (len(ranked) + 1)
    return _moved(centre, direction * offset * size[0] / 2, side * size[1] / 2)


# -- nodes that carry the operations ----------------------------------------------


def _is_chain(count: int, edges: Sequence[Pair]) -> bool:
    sources, targets = [s for s, _ in edges], [t for _, t in edges]
    return len(edges) == count - 1 == len(set(sources)) and len(set(sources)) == len(set(targets))


def _folded_chain(sizes: Sequence[Size], edges: Sequence[Pair], order: list[int]) -> _Plan:
    rows = -(-len(order) // _CHAIN_ROW)
    columns = -(-len(order) // rows)
    step_x = max(width for width, _ in sizes) + _ROW_STEP
    step_y = max(height for _, height in sizes) + _ROW_GAP
    centres = np.zeros((len(sizes), 2))
    for i, node in enumerate(order):
        centres[node] = (i % columns * step_x, -(i // columns) * step_y)
    curves = []
    for source, target in edges:
        start = centres[source] + (sizes[source][0] / 2, 0)
        end = centres[target] - (sizes[target][0] / 2, 0)
        curves.append(_straight(start, end) if start[1] == end[1] else _carriage_return(start, end))
    return _Plan(centres, curves, np.zeros((len(edges), 2)), np.zeros((0, 2)))


def _carriage_return(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """From the right end of a row to the left end of the next one."""
    reach = 0.22
    middle = (start[1] + end[1]) / 2
    right, left = (start[0] - 0.05, middle), (end[0] + 0.05, middle)
    return np.array(
        [
            start,
            _moved(start, reach, 0),
            (start[0] + reach, middle),
            right,
            (0.7 * right[0] + 0.3 * left[0], middle),
            (0.3 * right[0] + 0.7 * left[0], middle),
            left,
            (end[0] - reach, middle),
            _moved(end, -reach, 0),
            end,
        ]
    )


def _layers(sizes: Sequence[Size], edges: Sequence[Pair], order: list[int]) -> _Plan:
    rank = _ranks(len(sizes), edges, order)
    layers, links, routes = _with_lanes(rank, edges)
    _untangle(layers, links)

    heights = {v: sizes[v][1] + _NODE_GAP for v in range(len(sizes))}
    y = _heights(layers, links, heights)
    widths = [max((sizes[v][0] for v in layer if v < len(sizes)), default=0.0) for layer in layers]
    x = np.zeros(len(layers))
    for i in range(1, len(layers)):
        # Steep edges need room to turn.
        rise = max((abs(y[s] - y[t]) for s, t in links if t in layers[i]), default=0.0)
        x[i] = x[i - 1] + (widths[i - 1] + widths[i]) / 2 + max(_LAYER_GAP, 0.55 * rise)
    centres = np.array([(x[rank[v]], y[v]) for v in range(len(sizes))])

    curves = []
    for source, target in edges:
        stops: list[tuple[float, float]] = [(centres[source][0] + sizes[source][0] / 2, y[source])]
        for lane in routes[source, target]:
            layer = next(i for i, members in enumerate(layers) if lane in members)
            stops += [
                (x[layer] - widths[layer] / 2, y[lane]),
                (x[layer] + widths[layer] / 2, y[lane]),
            ]
        stops.append((centres[target][0] - sizes[target][0] / 2, y[target]))
        curves.append(_smooth(np.array(stops)))
    return _Plan(centres, curves, np.zeros((len(edges), 2)), np.zeros((0, 2)))


def _ranks(count: int, edges: Sequence[Pair], order: list[int]) -> list[int]:
    """Layer of every node: the longest path to it; late starters move right."""
    rank = [0] * count
    for node in order:
        rank[node] = max((rank[s] + 1 for s, t in edges if t == node), default=0)
    for node in reversed(order[1:]):
        if not any(t == node for _, t in edges):
            rank[node] = max(0, min((rank[t] - 1 for s, t in edges if s == node), default=0))
    return rank


def _with_lanes(
    rank: list[int], edges: Sequence[Pair]
) -> tuple[list[list[int]], list[Pair], dict[Pair, list[int]]]:
    """Layers with a stand-in for every layer that an edge passes."""
    layers: list[list[int]] = [[] for _ in range(max(rank) + 1)]
    for node, layer in enumerate(rank):
        layers[layer].append(node)
    links: list[Pair] = []
    routes: dict[Pair, list[int]] = {}
    fresh = itertools.count(len(rank))
    for source, target in edges:
        lane = []
        for layer in range(rank[source] + 1, rank[target]):
            lane.append(next(fresh))
            layers[layer].append(lane[-1])
        links += itertools.pairwise((source, *lane, target))
        routes[source, target] = lane
    return layers, links, routes


def _untangle(layers: list[list[int]], links: list[Pair]) -> None:
    """Sorts every layer by the mean place of its neighbours, while that helps."""
    best, fewest = [list(layer) for layer in layers], _crossings(layers, links)
    for sweep in range(_SWEEPS):
        if not fewest:
            break
        forward = sweep % 2 == 0
        for i in range(1, len(layers)) if forward else range(len(layers) - 2, -1, -1):
            fixed = {v: p for p, v in enumerate(layers[i - 1 if forward else i + 1])}
            keys = {}
            for place, v in enumerate(layers[i]):
                seen = [fixed[s] for s, t in links if t == v and s in fixed]
                seen += [fixed[t] for s, t in links if s == v and t in fixed]
                keys[v] = float(np.mean(seen)) if seen else float(place)
            layers[i].sort(key=keys.__getitem__)
        crossings = _crossings(layers, links)
        if crossings < fewest:
            best, fewest = [list(layer) for layer in layers], crossings
    layers[:] = best


def _crossings(layers: list[list[int]], links: list[Pair]) -> int:
    place = {v: (i, p) for i, layer in enumerate(layers) for p, v in enumerate(layer)}
    total = 0
    for (a, b), (c, d) in itertools.combinations(links, 2):
        if place[a][0] == place[c][0]:
            total += (place[a][1] - place[c][1]) * (place[b][1] - place[d][1]) < 0
    return total


def _heights(
    layers: list[list[int]], links: list[Pair], heights: dict[int, float]
) -> dict[int, float]:
    """Vertical places: near the neighbours' mean, in order, not touching."""
    y = {v: 0.0 for layer in layers for v in layer}
    for _ in range(_SWEEPS):
        for layer in (*layers, *reversed(layers)):
            wanted = []
            for v in layer:
                seen = [y[s] for s, t in links if t == v] + [y[t] for s, t in links if s == v]
                wanted.append(float(np.mean(seen)) if seen else 0.0)
            gaps = [heights.get(v, _LANE) for v in layer]
            room = np.concatenate(
                [[0.0], np.cumsum([(a + b) / 2 for a, b in itertools.pairwise(gaps)])]
            )
            # The first of a layer is the topmost.
            placed = -(_isotonic(-np.array(wanted) - room) + room)
            y.update(zip(layer, placed.tolist(), strict=True))
    return y


def _isotonic(values: np.ndarray) -> np.ndarray:
    """The nearest ascending sequence in least squares (pool adjacent violators)."""
    pools: list[tuple[float, int]] = []
    for value in values:
        pools.append((float(value), 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (a, m), (b, n) = pools[-2:]
            pools[-2:] = [((a * m + b * n) / (m + n), m + n)]
    return np.concatenate([np.full(count, mean) for mean, count in pools])


# -- curves -------------------------------------------------------------------------


def _moved(point: np.ndarray, right: float, up: float) -> np.ndarray:
    return point + np.array([right, up])


def _straight(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    return np.array([start, start + (end - start) / 3, start + 2 * (end - start) / 3, end])


def _smooth(stops: np.ndarray) -> np.ndarray:
    """Cubic pieces through the stops, level at each of them."""
    points = [stops[0]]
    for a, b in itertools.pairwise(stops):
        bend = ((b[0] - a[0]) / 2, 0.0)
        points += [a + bend, b - bend, b]
    return np.array(points)
