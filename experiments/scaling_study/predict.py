"""The predicted time of a step, from counts and public rates; ``docs/scaling.md`` has it in words.

    time = max(operations / peak, bytes / bandwidth) + communication that nothing hides

A collective over a torus takes the time of its bytes over all links that its
group can use, and one latency a hop.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from experiments.scaling_study.chips import Chip, rings
from experiments.scaling_study.hlo import Collective

# Seconds a hop between neighbours: an assumption, about what is told of TPU links.
HOP = 1e-6


class Prediction(NamedTuple):
    """Seconds of one step on a slice.

    Attributes:
      compute: operations at the chip's peak.
      memory: bytes at its HBM bandwidth.
      communication: of all collectives.
      exposed: of those, what other work does not hide.
      step: ``max(compute, memory) + exposed``.
    """

    compute: float
    memory: float
    communication: float
    exposed: float
    step: float


def step(
    chip: Chip,
    shape: tuple[int, ...],
    *,
    flops: float,
    bytes_accessed: float,
    collectives: Iterable[Collective],
) -> Prediction:
    """Predicts a step.

    Args:
      chip: what each chip can do.
      shape: of the slice.
      flops: operations a chip.
      bytes_accessed: bytes a chip, to and from HBM.
      collectives: of one call.
    """
    compute, memory = flops / chip.flops, bytes_accessed / chip.bandwidth
    communication = exposed = 0.0
    for collective in collectives:
        seconds = collective_seconds(chip, shape, collective)
        communication += collective.times * seconds
        exposed += collective.times * max(0.0, seconds - collective.hidden / chip.clock)
    total = max(compute, memory) + exposed
    return Prediction(compute, memory, communication, exposed, total)


def collective_seconds(chip: Chip, shape: tuple[int, ...], collective: Collective) -> float:
    """One run of a collective.

    A ring reduces ``b`` bytes of each of ``n`` chips in ``2 b (n - 1) / n``
    bytes over its links, gathers and scatters in half of that.  An axis that
    is not closed has one direction's worth of links.
    """
    n = collective.group
    if n < 2:
        return 0.0
    axes = used_axes(chip, shape, n)
    links = sum(2 if closed else 1 for _, closed in axes)
    hops = sum(size // 2 if closed else size - 1 for size, closed in axes)
    share = collective.bytes * (n - 1) / n
    through = chip.link * links
    if collective.kind == "all-reduce":
        return 2 * share / through + 2 * hops * HOP
    if collective.kind == "all-to-all":
        # Every byte travels half-way across every axis, on average half of that.
        mean = sum(size / 4 if closed else size / 3 for size, closed in axes)
        return share * max(mean, 1.0) / (2 * through) + hops * HOP
    if collective.kind == "collective-permute":
        return collective.bytes / chip.link + HOP
    return share / through + hops * HOP


def used_axes(chip: Chip, shape: tuple[int, ...], group: int) -> list[tuple[int, bool]]:
    """``(size, closed)`` of the axes that a group lies along.

    All axes where the group is the slice; else the last ones whose product it
    is; else one open line.

    >>> from experiments.scaling_study.chips import CHIPS
    >>> used_axes(CHIPS["v5e"], (16, 16), 16)
    [(16, True)]
    """
    axes = [axis for axis in zip(shape, rings(chip, shape), strict=True) if axis[0] > 1]
    for first in range(len(axes)):
        if math.prod(size for size, _ in axes[first:]) == group:
            return axes[first:]
    return [(group, False)]


def least_batch(
    batches: tuple[float, float], work: tuple[float, float], exposed: float, efficiency: float
) -> float:
    """The batch a chip from which weak scaling is at least so efficient.

    Work is taken to be a constant and a part in proportion to the batch, of
    which two points are known; what is exchanged does not depend on it.

    >>> least_batch((1, 11), (2.0, 4.0), exposed=1.0, efficiency=0.9)  # 1.8 + 0.2 b = 9
    36.0

    Args:
      batches: two batches a chip.
      work: seconds of each without communication.
      exposed: seconds of communication that nothing hides.
      efficiency: below 1.
    """
    slope = (work[1] - work[0]) / (batches[1] - batches[0])
    wanted = exposed * efficiency / (1 - efficiency)
    return round((wanted - work[0]) / slope + batches[0], 6) if slope > 0 else math.inf


def weak_efficiency(times: Sequence[float]) -> list[float]:
    """Of steps with the same batch a chip: the first time over each."""
    return [times[0] / time for time in times]


def strong_efficiency(times: Sequence[float], chips: Sequence[int]) -> list[float]:
    """Of steps with the same batch in all: speed-up over chips.

    >>> strong_efficiency([8.0, 4.0, 2.5], [1, 2, 4])
    [1.0, 1.0, 0.8]
    """
    return [times[0] * chips[0] / (time * count) for time, count in zip(times, chips, strict=True)]
