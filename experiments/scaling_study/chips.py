"""What TPU chips can do at most, and the shapes in which they are sold.

Rates are those of the public pages of Cloud TPU (docs.cloud.google.com/tpu/docs/v5e and its
siblings): peak bf16 operations, HBM size and bandwidth, and the interconnect's bandwidth a chip,
which all ports share.
"""

from __future__ import annotations

import math
from typing import NamedTuple


class Chip(NamedTuple):
    """One generation.

    Attributes:
      flops: peak operations a second, bf16.
      memory: bytes of HBM.
      bandwidth: bytes a second of HBM.
      link: bytes a second of one port in one direction.
      axes: of the torus; a chip has two ports an axis.
      clock: cycles a second, ``flops`` over the operations that its matrix units
        do in a cycle; the compiler's estimates are in these cycles.
      shapes: of a slice, smallest first.
      ring: an axis of this many chips, or a multiple of it, is closed to a ring.
      options: further arguments of ``get_topology_desc``.
    """

    flops: float
    memory: float
    bandwidth: float
    link: float
    axes: int
    clock: float
    shapes: tuple[tuple[int, ...], ...]
    ring: int
    options: dict[str, str]


_FLAT = ((1, 1), (2, 2), (2, 4), (4, 4), (4, 8), (8, 8), (8, 16), (16, 16))
_CUBES = (
    *((1, 1, 1), (2, 2, 1), (2, 2, 2), (2, 2, 4), (2, 4, 4), (4, 4, 4), (4, 4, 8)),
    *((4, 8, 8), (8, 8, 8), (8, 8, 16), (8, 16, 16), (16, 16, 16)),
)

CHIPS = {
    # Without that option a v4 chip would be two devices.
    "v4": Chip(275e12, 32e9, 1228e9, 50e9, 3, 1.05e9, _CUBES, 4, {"chip_config_name": "megacore"}),
    "v5e": Chip(197e12, 16e9, 819e9, 50e9, 2, 1.5e9, _FLAT, 16, {}),
    "v5p": Chip(459e12, 95e9, 2765e9, 100e9, 3, 1.75e9, _CUBES, 4, {}),
    "v6e": Chip(918e12, 32e9, 1638e9, 100e9, 2, 1.75e9, _FLAT, 16, {}),
}


def rings(chip: Chip, shape: tuple[int, ...]) -> tuple[bool, ...]:
    """Which axes of a slice are closed.

    Every axis of a v5e or v6e that spans the pod; of a v4 or v5p all axes of a
    slice that is made of whole cubes of 4 x 4 x 4, and none of a smaller one.

    >>> rings(CHIPS["v5e"], (8, 16)), rings(CHIPS["v4"], (4, 4, 8)), rings(CHIPS["v4"], (2, 4, 4))
    ((False, True), (True, True, True), (False, False, False))
    """
    closed = tuple(size % chip.ring == 0 for size in shape)
    return closed if chip.axes == 2 else (all(closed),) * len(shape)


def slice_of(chip: Chip, count: int) -> tuple[int, ...] | None:
    """The shape of a slice of so many chips, None where there is none."""
    return next((shape for shape in chip.shapes if math.prod(shape) == count), None)
