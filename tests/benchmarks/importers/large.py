"""Writes a file of the official number of rows, to measure what reading it takes.

    python -m tests.benchmarks.importers.large nas-bench-201 NAS-Bench-201-v1_1-096897.pth
    /usr/bin/time -v python -m experiments.import_benchmark --source=... --out=tables

The measurements in it mean nothing.  As in the official file a cell of
NAS-Bench-201 has trainings of 12 and 200 epochs, and refers back to names that
stand in an earlier cell.
"""

from __future__ import annotations

import argparse
import base64
import itertools
import json
import pathlib
import pickletools
import struct
from collections.abc import Iterator

import numpy as np

from pnag_jax import spaces
from pnag_jax.benchmarks.formats import crc32c, pickle_stream, torch_file
from pnag_jax.spaces import nb101, nb101_enumeration
from tests.benchmarks.importers import official, records, torch_files

# Index of the cell that all others are made from: one of two bytes in the pickle.
_TEMPLATE = 301
# Numbers of objects in the pickle before that of the first cell's name.
_BEFORE_NAMES = 3
_BATCH = 1000


def write_201(path: pathlib.Path, epochs: int) -> None:
    """15,625 cells in the older format of torch; 0.5 MB a cell with 200 epochs."""
    space = spaces.get("nb201")
    names = [space.to_string(np.array(g)) for g in itertools.product(range(5), repeat=6)]
    official.EPOCHS.update({12: 12, 200: epochs})
    infos = {}
    for i in (_TEMPLATE - 1, _TEMPLATE, _TEMPLATE + 1):
        infos[i] = {
            "full": official.cell_state(0, 200, (777, 888)),
            "less": official.cell_state(0, 12, (111,)),
        }
        for state in infos[i].values():
            state["arch_str"] = names[i]
    top = {"meta_archs": names, "total_archs": len(names), "basestr": "C16-N5"}
    torch_files.save_legacy(path, {**top, "arch2infos": infos, "evaluated_indexes": set()})
    open_at = torch_file.opener(path)
    machine = pickle_stream.Machine(open_at, torch_file.ALLOWED, None, 2**24)
    list(machine.run(("arch2infos",)))
    begin, end, rest = machine.offsets[1:4]
    first, last = machine.numbers[1:3]
    with open_at(0) as file:
        pickled = file.read()
    template = pickled[begin:end]
    own, named = _references(template, first, last)
    whole = path.read_bytes()
    head = whole[: whole.index(pickled)]
    with path.open("wb") as out:
        out.write(head + pickled[:begin])
        for count, i in enumerate(i for i in range(len(names)) if i != _TEMPLATE - 1):
            if count % _BATCH == _BATCH - 1:
                out.write(b"u(")  # SETITEMS, MARK
            cell = np.frombuffer(template, np.uint8).copy()
            cell[1:3] = list(struct.pack("<H", i))
            for places, step in ((own, (last - first) * count), (named, i - _TEMPLATE)):
                at = places[:, None] + np.arange(4)
                numbers = cell[at].view("<u4")[:, 0].astype(np.int64) + step
                cell[at] = numbers.astype("<u4")[:, None].view(np.uint8)
            out.write(cell.tobytes())
        out.write(pickled[rest:])


def _references(template: bytes, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
    """Places of the numbers of the cell's own objects, and of its name in the list."""
    own, named = [], []
    start = 3  # what follows the key is a pickle of its own
    for opcode, number, at in pickletools.genops(template[start:] + b"."):
        if opcode.name in ("LONG_BINPUT", "LONG_BINGET"):
            if first <= number < last:
                own.append(start + at + 1)
            elif number == _BEFORE_NAMES + _TEMPLATE:
                named.append(start + at + 1)
    return np.array(own), np.array(named)


def write_101(path: pathlib.Path, epochs: int) -> None:
    """423,624 cells with three trainings each."""
    del epochs  # records of the last one only
    lines = _records_101()
    with path.open("wb") as out:
        while batch := list(itertools.islice(lines, 4096)):
            lengths = [struct.pack("<Q", len(line)) for line in batch]
            checks = [crc32c.masked(crc32c.crc32c(texts)).tolist() for texts in (lengths, batch)]
            for length, line, a, b in zip(lengths, batch, *checks, strict=True):
                out.write(length + struct.pack("<I", a) + line + struct.pack("<I", b))


def _records_101() -> Iterator[bytes]:
    ends = ("input", "output")
    kinds = ("conv1x1-bn-relu", "conv3x3-bn-relu", "maxpool3x3")
    metrics = json.loads(records.record("", 108, "", "", 0.9, 8_000_000))[-1]
    assert base64.b64decode(metrics)
    genotypes = nb101_enumeration.genotypes().tolist()
    for _ in range(3):
        for i, genes in enumerate(genotypes):
            matrix = np.zeros((7, 7), int)
            matrix[tuple(np.array(nb101.EDGES).T)] = genes[:21]
            ops = [ends[0], *(kinds[op] for op in genes[21:]), ends[1]]
            digits = "".join(map(str, matrix.reshape(-1)))
            yield json.dumps([f"{i:032x}", 108, digits, ",".join(ops), metrics]).encode()


WRITERS = {"nas-bench-201": write_201, "nas-bench-101": write_101}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("layout", choices=WRITERS)
    parser.add_argument("path", type=pathlib.Path)
    parser.add_argument("--epochs", type=int, default=200, help="of the longer schedule")
    given = parser.parse_args()
    WRITERS[given.layout](given.path, given.epochs)
