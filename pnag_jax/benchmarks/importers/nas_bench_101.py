"""NAS-Bench-101: a TFRecord file with every training of the 423,624 cells.

``nasbench_only108.tfrecord`` (499 MB), or ``nasbench_full.tfrecord`` of which
the trainings of 108 epochs are taken.  A record is a JSON list: hash, epochs,
adjacency (one digit an entry, row by row), operations with commas, and a
base64 protocol-buffer message ``ModelMetrics``: field 1 an evaluation at the
start, half-way and at the end of the training (its fields 2, 4 and 5 training
time in seconds, validation and test accuracy), field 2 the parameters.

Ying et al., "NAS-Bench-101", ICML 2019.
"""

from __future__ import annotations

import array
import base64
import json
import math
import pathlib
from typing import Any

import numpy as np

from pnag_jax import spaces
from pnag_jax.benchmarks.base import judge
from pnag_jax.benchmarks.formats import tfrecord, wire
from pnag_jax.benchmarks.importers.base import Layout, Rows, number
from pnag_jax.errors import DataError

_SPACE = "nb101"
_EPOCHS = 108
_REPEATS = 3
# The benchmark's names of the inner nodes, in the order of the space's genes.
_OPS = ("conv1x1-bn-relu", "conv3x3-bn-relu", "maxpool3x3")
_NODES = 7
# Field of an evaluation, our name and the factor to our unit.
_MEASURED = (
    (4, "valid_accuracy", 100.0),
    (5, "test_accuracy", 100.0),
    (2, "training_seconds", 1.0),
)


def _has(path: pathlib.Path) -> bool:
    return tfrecord.begins(path)


class _Cells:
    """All cells so far: genes, and what each repeat measured."""

    def __init__(self) -> None:
        self.index: dict[bytes, int] = {}
        self.genes = array.array("b")
        self.params = array.array("f")
        self.repeats = array.array("b")
        # Of each cell: by repeat, the columns of _MEASURED.
        self.measured = array.array("f")

    def add(self, record: bytes, what: str) -> None:
        """One training; ``DataError`` names ``what``."""
        try:
            code, epochs, adjacency, operations, metrics = json.loads(record)
            if epochs != _EPOCHS:
                return
            key = bytes.fromhex(code)
            values, params = _decode(base64.b64decode(metrics, validate=True), what)
        except (ValueError, TypeError, KeyError, IndexError, RecursionError) as error:
            raise DataError(f"{what}: is not a NAS-Bench-101 record: {error}") from error
        if key not in self.index:
            self.index[key] = len(self.index)
            self.genes.extend(_genes(adjacency, operations, what))
            self.params.append(params)
            self.repeats.append(0)
            self.measured.extend([math.nan] * (_REPEATS * len(_MEASURED)))
        cell = self.index[key]
        repeat = self.repeats[cell]
        if repeat == _REPEATS:
            raise DataError(f"{what}: cell {code} has more than {_REPEATS} trainings")
        begin = (cell * _REPEATS + repeat) * len(_MEASURED)
        self.measured[begin : begin + len(_MEASURED)] = array.array("f", values)
        self.repeats[cell] = repeat + 1


def _read(path: pathlib.Path) -> Rows:
    space = spaces.get(_SPACE)
    cells = _Cells()
    for number_of, record in enumerate(tfrecord.records(path)):
        cells.add(record, f"{path}: record {number_of}")
    count = len(cells.index)
    genes = np.frombuffer(cells.genes, np.int8).reshape(count, space.genotype_length)
    valid, canonical = judge(space, genes)
    if not valid.all():
        text = space.to_string(genes[np.flatnonzero(~valid)[0]].astype(int))
        raise DataError(f"{path}: the cell {text} is not one of the space")
    measured = np.frombuffer(cells.measured, np.float32).reshape(count, _REPEATS, len(_MEASURED))
    columns: dict[str, np.ndarray] = {}
    repeats = np.frombuffer(cells.repeats, np.int8)
    for column, (_, name, _) in enumerate(_MEASURED):
        of_seeds = measured[:, :, column]
        columns[f"cifar10/{name}"] = np.nansum(of_seeds, axis=1, dtype=np.float64) / repeats
        columns |= {f"cifar10/{name}_seed{i}": of_seeds[:, i] for i in range(_REPEATS)}
    columns["cifar10/params"] = np.frombuffer(cells.params, np.float32)
    columns["cifar10/seeds"] = repeats
    rows = Rows(
        path,
        _SPACE,
        {
            "units": "accuracy percent; training_seconds on TPU v2; params count; seeds: how many "
            "trainings the means are of",
            "notes": f"after {_EPOCHS} epochs; cells in the space's canonical form",
            "sources": [f"{path.name} (github.com/google-research/nasbench)"],
            "licence": "Apache-2.0 (of the benchmark's repository; the file states none)",
        },
    )
    rows.extend(canonical, columns)
    return rows


def _decode(message: bytes, what: str) -> tuple[list[float], float]:
    """The columns of ``_MEASURED`` after the last epoch, and the parameters."""
    fields = wire.fields(message)
    evaluations: list[Any] = fields[1]
    last = wire.fields(evaluations[2])
    values = [
        factor * number(last[field][0], f"{what}: {name}", 0, math.inf if factor == 1.0 else 1.0)
        for field, name, factor in _MEASURED
    ]
    return values, number(fields[2][0], f"{what}: params", 0)


def _genes(adjacency: str, operations: str, what: str) -> list[int]:
    """A cell of up to seven nodes, the output moved to the last place."""
    names = operations.split(",")
    size = len(names)
    well_formed = (
        2 <= size <= _NODES
        and len(adjacency) == size * size
        and (names[0], names[-1]) == ("input", "output")
        and set(names[1:-1]) <= set(_OPS)
        and set(adjacency) <= {"0", "1"}
        and not any("1" in adjacency[i * size : i * size + i + 1] for i in range(size))
    )
    if not well_formed:
        raise DataError(f"{what}: {adjacency!r:.60} with {operations!r:.120} is not a cell")
    place = [*range(size - 1), _NODES - 1]
    edges = {
        (place[i], place[j])
        for i in range(size)
        for j in range(size)
        if adjacency[i * size + j] == "1"
    }
    ops = [_OPS.index(name) for name in names[1:-1]]
    return [
        *(int((i, j) in edges) for j in range(1, _NODES) for i in range(j)),
        *ops,
        *[0] * (_NODES - 2 - len(ops)),
    ]


LAYOUT = Layout("nas-bench-101", "nb101", ("nasbench_*.tfrecord",), _has, _read)
