"""Collectives and estimated cycles, read out of compiled HLO text.

XLA's own analysis counts the body of a loop once.  Here every computation has
a multiplicity, the product of the trip counts of the loops around it, and a
collective that runs beside other work (``-start`` ... ``-done``) knows how many
of the compiler's estimated cycles lie between its two ends.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

KINDS = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute")

# Those whose width is not the number in their name.
_WIDTHS = {"pred": 8, "token": 0, "c64": 64, "c128": 128}
# What moves nothing itself.
_SILENT = {"parameter", "constant", "tuple", "get-tuple-element", "bitcast", "while", "conditional"}
_ARRAY = re.compile(r"\b(pred|token|bf\d+|[fsuc]\d+)\w*\[([\d,]*)\]")
_NAME = r"[\w.\-]+"
_HEAD = re.compile(rf"^(ENTRY )?%?({_NAME}) \(.*\) -> .*\{{\s*$")
_INSTRUCTION = re.compile(rf"^\s+(?:ROOT )?%?({_NAME}) = (.*)$")
_CALLED = re.compile(rf"\b(calls|body|condition|branch_computations)=(\{{[^}}]*\}}|%?{_NAME})")


class Instruction(NamedTuple):
    """One line of a computation: its name, result type, opcode, arguments and attributes."""

    name: str
    result: str
    opcode: str
    arguments: str
    rest: str

    @property
    def operands(self) -> list[str]:
        """Names of the arguments."""
        return re.findall(rf"%({_NAME})", self.arguments)

    @property
    def cycles(self) -> int:
        """The compiler's estimate, 0 where it gives none."""
        found = re.search(r'"estimated_cycles":"(\d+)"', self.rest)
        return int(found.group(1)) if found else 0


Computations = Mapping[str, Sequence[Instruction]]


class Collective(NamedTuple):
    """One collective instruction.

    Attributes:
      kind: one of ``KINDS``.
      bytes: that a device puts in; of an all-gather, that it has afterwards.
      group: devices that exchange with each other.
      times: how often it runs in one call of the program.
      hidden: estimated cycles of other work between its start and its end.
    """

    kind: str
    bytes: float
    group: int
    times: int
    hidden: int


class Costs(NamedTuple):
    """What the text of a program tells.

    Attributes:
      collectives: all of them.
      cycles: estimated, loops counted as often as they run.
      cycles_once: the same with every loop counted once.
      cycles_outside: of what is in no loop.
      bytes_outside: that those instructions read and write.
    """

    collectives: tuple[Collective, ...]
    cycles: int
    cycles_once: int
    cycles_outside: int
    bytes_outside: float

    def bytes_in_all(self, once: float) -> float:
        """Bytes read and written, of those with every loop counted once.

        What is in loops is multiplied as its cycles are, what is in none is not:
        an optimizer's update of all parameters runs once beside loops over layers.
        """
        inside = self.cycles_once - self.cycles_outside
        outside = min(self.bytes_outside, once) if inside else once
        turns = (self.cycles - self.cycles_outside) / inside if inside else 1.0
        return outside + (once - outside) * turns


def read(text: str, devices: int) -> Costs:
    """Reads ``compiled.as_text()``.

    Args:
      text: of a module.
      devices: that it is compiled for; a group that is not written out is all of them.
    """
    computations, entry = parse(text)
    times = multiplicities(computations, entry)
    hidden, continued = _asynchronous(computations)
    collectives, cycles, once = [], 0, 0
    for name, repeats in times.items():
        body = computations[name]
        types = _types(body)
        for place, instruction in enumerate(body):
            cycles += repeats * instruction.cycles
            once += instruction.cycles
            kind = instruction.opcode.removesuffix("-start")
            if kind not in KINDS or name in continued:
                continue
            group = _group(instruction.rest, devices)
            collectives.append(
                Collective(
                    # Each device keeps its share of the sum alone.
                    "reduce-scatter" if name.startswith("all-reduce-scatter") else kind,
                    _operand_bytes(instruction, types) * (group if kind == "all-gather" else 1),
                    group,
                    repeats,
                    hidden.get(name, 0) or _hidden(computations, body, place),
                )
            )
    body = computations.get(entry, [])
    outside = sum(line.cycles for line in body)
    return Costs(tuple(collectives), cycles, once, outside, _bytes(body))


def parse(text: str) -> tuple[dict[str, list[Instruction]], str]:
    """All computations by name, and the name of the entry."""
    computations: dict[str, list[Instruction]] = {}
    entry, current = "", None
    for line in text.splitlines():
        head = _HEAD.match(line)
        if head:
            current = computations.setdefault(head.group(2), [])
            entry = head.group(2) if head.group(1) else entry
        elif current is not None and (found := _INSTRUCTION.match(line)):
            current.append(_instruction(*found.groups()))
    return computations, entry


def _instruction(name: str, written: str) -> Instruction:
    # The result's type is one word, or a tuple in brackets.
    end = _closing(written, 0) + 1 if written.startswith("(") else written.find(" ")
    result, rest = written[:end], written[end:].lstrip()
    opening = rest.find("(")
    closing = _closing(rest, opening)
    return Instruction(name, result, rest[:opening], rest[opening + 1 : closing], rest[closing:])


def _closing(text: str, opening: int) -> int:
    """Where the bracket that opens there is closed."""
    depth = 0
    for place in range(opening, len(text)):
        depth += {"(": 1, ")": -1}.get(text[place], 0)
        if depth == 0:
            return place
    return len(text)


def multiplicities(computations: Computations, entry: str) -> dict[str, int]:
    """How often each computation runs, of those that the entry reaches; no reducers."""
    times: dict[str, int] = {}

    def visit(name: str, repeats: int) -> None:
        times[name] = times.get(name, 0) + repeats
        for instruction in computations[name]:
            for _, called in _calls(instruction):
                if called in computations:
                    visit(called, repeats * _trips(instruction, computations))

    visit(entry, 1)
    return times


def _calls(instruction: Instruction) -> Iterator[tuple[str, str]]:
    for role, names in _CALLED.findall(instruction.rest):
        for name in re.findall(_NAME, names):
            yield role, name


def _trips(instruction: Instruction, computations: Computations) -> int:
    return trip_count(instruction, computations) if instruction.opcode == "while" else 1


def trip_count(loop: Instruction, computations: Computations) -> int:
    """Of a ``while``: what it is annotated with, or else the bound in its condition.

    1 where neither can be read.
    """
    known = re.search(r'"known_trip_count":\{"n":"(\d+)"\}', loop.rest)
    if known:
        return int(known.group(1))
    condition = computations.get(dict(_calls(loop)).get("condition", ""), ())
    bounds = [
        int(line.arguments)
        for line in condition
        if line.opcode == "constant" and re.fullmatch(r"\d+", line.arguments)
    ]
    return max([1, *bounds])


def array_bytes(type_: str) -> float:
    """Of a type, or the sum over a tuple's.

    >>> array_bytes("(f32[8,16]{1,0:T(8,128)}, bf16[3]{0}, pred[])")
    519.0
    """
    total = 0.0
    for name, sizes in _ARRAY.findall(type_):
        bits = _WIDTHS[name] if name in _WIDTHS else int(re.sub(r"\D", "", name))
        total += math.prod(int(size) for size in sizes.split(",") if size) * bits / 8
    return total


def _types(body: Sequence[Instruction]) -> dict[str, str]:
    return {line.name: line.result for line in body}


def _operand_bytes(instruction: Instruction, types: Mapping[str, str]) -> float:
    written = array_bytes(instruction.arguments)
    if written:
        return written
    return sum(array_bytes(types.get(name, "")) for name in instruction.operands)


def _bytes(body: Sequence[Instruction]) -> float:
    """What a computation's own instructions read and write."""
    types = _types(body)
    return sum(
        _operand_bytes(line, types) + array_bytes(line.result)
        for line in body
        if line.opcode not in _SILENT and not line.opcode.endswith("-done")
    )


def _group(attributes: str, devices: int) -> int:
    """Devices of one group, from any of the ways to write them.

    Raises:
      ValueError: it is written in another way: a guess would look like a result.
    """
    written = re.search(r"replica_groups=(.*)", attributes)
    if not written or written.group(1).startswith("{}"):
        return devices
    groups = written.group(1)
    if listed := re.match(r"\{\{([\d,]*)\}", groups):
        return listed.group(1).count(",") + 1
    if counted := re.match(r"\[(\d+),(\d+)\]<=", groups):
        return int(counted.group(2))
    # Where the order of devices is not that of the axes, it stands between.
    if mesh := re.match(r"mesh\[([^\]]*)\](?:, device_ids=[^{]*)? \{([^}]*)\}", groups):
        sizes = dict(re.findall(r"'(\w+)'=(\d+)", mesh.group(1)))
        axes = re.findall(r"'(\w+)'(?::\(\d+\)(\d+))?", mesh.group(2))
        return math.prod(int(part or sizes[axis]) for axis, part in axes)
    raise ValueError(f"replica_groups={groups[:80]}: not a way to write groups that is known")


def _hidden(computations: Computations, body: Sequence[Instruction], place: int) -> int:
    """Cycles of other work until what begins at ``place`` is waited for."""
    start = body[place]
    if not start.opcode.endswith("-start"):
        return 0
    for end in range(place + 1, len(body)):
        if body[end].opcode.endswith("-done") and start.name in body[end].operands:
            return _work(computations, body[place + 1 : end])
    return 0


def _work(computations: Computations, lines: Sequence[Instruction]) -> int:
    """Estimated cycles of some lines, the loops among them with all their turns."""
    return sum(
        line.cycles
        + sum(
            _trips(line, computations) * _work(computations, computations[called])
            for _, called in _calls(line)
            if called in computations
        )
        for line in lines
    )


def _asynchronous(computations: Computations) -> tuple[dict[str, int], set[str]]:
    """Of collectives in computations of their own: the cycles beside them, and repetitions.

    Either an ``async-start`` calls the computation, or the compiler has cut the
    collective into fusions: one that starts it, some that go on with it beside
    other work, perhaps in a loop, and one that ends it.  Each of them holds
    the whole instruction, which runs once.

    Returns:
      Cycles by the computation that starts, and the computations that go on or end.
    """
    hidden: dict[str, int] = {}
    continued = {name for name in computations if name.startswith("async_collective_fusion")}
    for body in computations.values():
        for place, line in enumerate(body):
            called = [name for _, name in _calls(line) if name in computations]
            if line.opcode == "async-start":
                hidden |= dict.fromkeys(called, _hidden(computations, body, place))
            elif line.name.startswith("async-collective-done"):
                continued.update(called)
            elif line.name.startswith("async-collective-start"):
                wanted = _channels(computations, called)
                ends = (
                    end
                    for end in range(place + 1, len(body))
                    if body[end].name.startswith("async-collective-done")
                    and _channels(computations, [n for _, n in _calls(body[end])]) & wanted
                )
                end = next(ends, place)
                hidden |= dict.fromkeys(called, _work(computations, body[place + 1 : end]))
    return hidden, continued


def _channels(computations: Computations, names: Sequence[str]) -> set[str]:
    """``channel_id`` of the collectives in some computations."""
    lines = (line for name in names for line in computations.get(name, ()))
    found = (re.search(r"channel_id=(\d+)", line.rest) for line in lines if line.opcode in KINDS)
    return {match.group(1) for match in found if match}
