"""HW-NAS-Bench: cost of all 15,625 NAS-Bench-201 cells on six devices.

``HW-NAS-Bench-v1_0.pickle``: ``nasbench201`` by data set and metric (a list or
an array over the official index), with the cell of each index in ``config``.
The pickle's other part, ``fbnet``, is of a space that is not here and is left.

Li et al., "HW-NAS-Bench: Hardware-Aware Neural Architecture Search Benchmark",
ICLR 2021.
"""

from __future__ import annotations

import math
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from pnag_jax import spaces
from pnag_jax.benchmarks import safe_pickle
from pnag_jax.benchmarks.formats.stand_ins import CONTAINERS, NUMPY, Array
from pnag_jax.benchmarks.importers.base import Layout, Rows, genotype, head, measured, member
from pnag_jax.errors import DataError

_ALLOWED: Mapping[tuple[str, str], type] = {**CONTAINERS, **NUMPY}
# About twice the official file, which is read in one piece.
_MAX_BYTES = 32 * 2**20
_DATASETS = ("cifar10", "cifar100", "ImageNet16-120")
# Ends of the metrics' names there and here.
_UNITS = {"_latency": "_latency_ms", "_energy": "_energy_mj", "_intensity": "_intensity"}


def _has(path: pathlib.Path) -> bool:
    start = head(path)
    return start[:1] == b"\x80" and b"nasbench201" in start


def _read(path: pathlib.Path) -> Rows:
    costs = member(safe_pickle.load(path, _ALLOWED, max_bytes=_MAX_BYTES), "nasbench201", str(path))
    rows = Rows(
        path,
        "nb201",
        {
            "ops": list(spaces.nb201.OPS),
            "units": "latency ms and energy mJ of one image; arithmetic intensity as in the file",
            "notes": "edgegpu, raspi4, edgetpu, pixel3: measured; eyeriss, fpga: estimated",
            "sources": [f"{path.name} (github.com/GATECH-EIC/HW-NAS-Bench)"],
            "licence": "MIT",
        },
    )
    texts: list[Any] | None = None
    columns: dict[str, list[Any]] = {}
    for dataset in _DATASETS:
        what = f"{path}: nasbench201: {dataset}"
        metrics = member(costs, dataset, what)
        cells = [member(c, "arch_str", what, str) for c in _row(metrics, "config", what)]
        if texts is not None and cells != texts:
            raise DataError(f"{what}: lists other cells than {_DATASETS[0]}")
        texts = cells
        for name in metrics:
            ending = next((end for end in _UNITS if name.endswith(end)), None)
            if ending is None:
                continue
            column = _row(metrics, name, what)
            if len(column) != len(cells):
                raise DataError(f"{what}: {name}: {len(column)} values of {len(cells)} cells")
            columns[f"{dataset}/{name.removesuffix(ending)}{_UNITS[ending]}"] = column
    for index, text in enumerate(texts or ()):
        what = f"{path}: cell {index}"
        found = {
            name: measured(column[index], f"{what}: {name}") for name, column in columns.items()
        }
        # No cost is zero or less: such a number stands for one that is missing.
        values = {name: cost if cost > 0 else math.nan for name, cost in found.items()}
        rows.add(genotype(spaces.get("nb201"), text, what), values)
    return rows


def _row(metrics: dict, name: str, what: str) -> list[Any]:
    values = member(metrics, name, what, (list, dict, Array))
    if isinstance(values, Array):
        return np.asarray(values.values).tolist()
    if isinstance(values, dict):
        return [member(values, index, f"{what}: {name}", object) for index in range(len(values))]
    return values


LAYOUT = Layout("hw-nas-bench", "hw_nas_bench", ("HW-NAS-Bench-*.pickle",), _has, _read)
