"""The cells of a study: what is measured and compiled, one file each in the work directory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from experiments.bench import programs
from experiments.scaling_study import chips
from experiments.scaling_study.ladder import RUNGS
from experiments.scaling_study.topology import Slice
from pnag_jax.errors import UsageError
from pnag_jax.training.parallel import STRATEGIES

MEASURED, COMPILED, LADDER = "measured", "compiled", "ladder"
PARTS = (MEASURED, COMPILED, LADDER)
WEAK, STRONG = "weak", "strong"


class Cell(NamedTuple):
    """One thing to find out.

    Attributes:
      part: of ``PARTS``.
      study: "weak" or "strong"; of a ladder how its state is placed.
      program: of ``programs.PROGRAMS``, ``programs.POPULATION``, or a rung's name.
      strategy: "pmap" or "mesh".
      devices: how many.
      each: examples, samples, or members of a population a device.
      model: devices that share one copy of the state.
    """

    part: str
    study: str
    program: str
    strategy: str
    devices: int
    each: int
    model: int = 1

    @property
    def name(self) -> str:
        """A file name."""
        return "-".join(map(str, self))


def check_divides(flag: str, batch: int, devices: Sequence[int]) -> None:
    """Raises ``UsageError`` where a number of devices does not divide a batch."""
    for count in devices:
        if batch % count:
            near = -(-batch // count) * count
            raise UsageError(f"--{flag}={batch}: {count} devices do not divide it; {near} would do")


def compiled(found: Slice, batches: Mapping[str, int]) -> list[Cell]:
    """Weak scaling of every program, strong scaling of the steps that are compared.

    Args:
      found: the slice.
      batches: by program, of one chip; in strong scaling the same in all.
    """
    cells = []
    for name in programs.PROGRAMS:
        # Both studies begin on one chip, each strategy with its own program: what the
        # compiler fuses differs between them by some percent, exchange or not.
        cells += [
            Cell(COMPILED, WEAK, name, strategy, 1, batches[name])
            for strategy in (_strategies(name) if name in programs.TRAINING else ("mesh",))
        ]
        if found.num_chips > 1:
            cells += [
                Cell(COMPILED, WEAK, name, strategy, found.num_chips, batches[name])
                for strategy in _strategies(name)
            ]
        if found.num_chips > 1 and name in programs.TRAINING and name in programs.COMPARED:
            each = batches[name] // found.num_chips
            cells.append(Cell(COMPILED, STRONG, name, "mesh", found.num_chips, each))
    return cells


# Programs by the time that a compiler takes for their whole batch, as seen.
_LONGEST_FIRST = ("1B", "100M", "surrogate", "10M", "stage1", "1M", "prior", *programs.SAMPLING)


def longest_first(cells: Sequence[Cell]) -> list[Cell]:
    """In an order in which processes that take turns end at about the same time."""
    return sorted(cells, key=lambda c: (c.study == STRONG, _LONGEST_FIRST.index(c.program)))


def measured(
    counts: Sequence[int], batches: Mapping[str, int], *, compared: bool = True
) -> list[Cell]:
    """Weak scaling of every program over local devices, strong scaling of what trains.

    Args:
      counts: of devices, the first of them 1.
      batches: as in ``compiled``; also of population training, where the space has it.
      compared: whether weak scaling is measured under all strategies of a program, or
        under the first of them alone.
    """
    weak = [
        Cell(MEASURED, WEAK, name, strategy, count, batches[name])
        for count in counts
        for name in batches
        for strategy in _strategies(name)[: None if compared else 1]
    ]
    return weak + [
        Cell(MEASURED, STRONG, name, _strategies(name)[0], count, batches[name] // count)
        for count in counts
        for name in batches
        if name not in programs.SAMPLING
        # On one device both studies are the same.
        if count > 1
    ]


def _strategies(program: str) -> tuple[str, ...]:
    if program == programs.POPULATION:
        return ("pmap",)
    return STRATEGIES if program in programs.COMPARED else ("mesh",)


def ladder(found: Slice, mesh: tuple[int, int], each: int | None = None) -> list[Cell]:
    """Every rung on one chip; large ones on all too, split over the mesh's second axis.

    Args:
      found: the slice.
      mesh: its chips as data x model.
      each: examples a chip of the slice, however they are placed; None for those of
        the rungs.
    """
    count = found.num_chips
    shares = {"copied": 1, "split": mesh[1]}
    cells = [
        Cell(LADDER, "one chip", rung.name, strategy, 1, each or rung.each)
        for rung in RUNGS
        # Each strategy begins on one chip, see ``compiled``.
        for strategy in sorted({"mesh", *(strategy for _, strategy in rung.on_all)})
    ]
    return cells + [
        Cell(LADDER, placed, rung.name, strategy, count, each or rung.each, shares[placed])
        for rung in RUNGS
        for placed, strategy in rung.on_all
        if count > 1 and (placed == "copied" or mesh[1] > 1)
    ]


def one_chip(found: Slice) -> Slice:
    """The smallest slice of the same generation."""
    shape = chips.slice_of(found.chip, 1)
    assert shape is not None
    return Slice(found.generation, shape)


def from_json(value: Any) -> Cell:
    """Inverse of ``_asdict``."""
    return Cell(**value)
