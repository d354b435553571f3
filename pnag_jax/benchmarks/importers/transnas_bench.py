"""TransNAS-Bench-101: one file of ``torch.save``, seven tasks.

``transnas-bench_v10141024.pth``: ``data`` by search space and network.  The
``micro`` space has 4,096 cells, ``64-41414-1_02_333``: after width and skeleton
the operations on the edges of a NAS-Bench-201 cell, tensor by tensor, of none,
skip, 1x1 and 3x3 convolution.  They become genotypes of ``nb201``; only their
measurements are of another network, so that the space's own parameter count
does not apply.  Networks of the ``macro`` space have no space here.

Duan et al., "TransNAS-Bench-101", CVPR 2021.
"""

from __future__ import annotations

import pathlib
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from pnag_jax.benchmarks.formats import torch_file
from pnag_jax.benchmarks.importers.base import HEAD_BYTES, Layout, Rows, drained, measured, member
from pnag_jax.errors import DataError
from pnag_jax.spaces import nb201

# Width, skeleton, operations into tensor 1, 2 and 3; the digits are indices of nb201's
# operations, the edges in its order.
_CELL = re.compile(r"\d+-\d+-([0-3])_([0-3]{2})_([0-3]{3})")

# A task's main metric is the first of these that it has.  A "neg_loss" is a loss
# with the other sign.
_MAIN = ("top1", "mIoU", "ssim", "loss")


def _has(path: pathlib.Path) -> bool:
    return b"metrics_dict" in torch_file.start(path, HEAD_BYTES)


def _read(path: pathlib.Path) -> Rows:
    rows = Rows(
        path,
        "nb201",
        {
            "ops": list(nb201.OPS),
            "units": "top1, top5, acc and mIoU percent; losses, ssim, params, FLOPs and "
            "inference_time as the file has them",
            "notes": "each metric after the last epoch; *_best: at the epoch with the best "
            "valid_top1, mIoU, ssim or loss, the first that the task has. micro cells only, in a "
            "network of 64 channels: params and FLOPs are not those of the NAS-Bench-201 network",
            "sources": [f"{path.name}, TransNAS-Bench-101 (github.com/yawen-d/TransNASBench)"],
            "licence": "MIT (of the benchmark's repository; the file states none)",
        },
    )
    skeletons: set[str] = set()

    def add(name: Any, tasks: Any) -> None:
        what = f"{path}: {name!r:.60}"
        cell = _CELL.fullmatch(name) if isinstance(name, str) else None
        if cell is None:
            raise DataError(
                f"{what} is not of the form 64-41414-1_02_333; only cells of the micro space "
                "can be imported"
            )
        skeletons.add(name.rpartition("-")[0])
        if len(skeletons) > 1:
            raise DataError(f"{what}: has another skeleton than {min(skeletons)}")
        values: dict[str, float] = {}
        for task, result in tasks.items():
            values |= dict(_measurements(task, result, f"{what}: {task}"))
        rows.add([int(digit) for digit in "".join(cell.groups())], values)

    drained(torch_file.entries(path, ("data", "micro")), add)
    return rows


def _measurements(task: str, result: Any, what: str) -> Iterator[tuple[str, float]]:
    metrics = member(result, "metrics", what)
    shown = {}
    for name, values in metrics.items():
        if name.startswith(("valid_", "test_")) and not name.endswith("neg_loss"):
            shown[name] = [measured(value, f"{what}: {name}") for value in values]
    main = [f"valid_{metric}" for metric in _MAIN if f"valid_{metric}" in shown]
    if not main:
        raise DataError(f"{what}: has none of the metrics valid_{', valid_'.join(_MAIN)}")
    sign = -1 if main[0] == "valid_loss" else 1
    curve = np.nan_to_num(sign * np.array(shown[main[0]]), nan=-np.inf)
    best = int(np.argmax(curve))
    # The main metric and its test come first: a task's default is told from the order.
    leading = (main[0], main[0].replace("valid", "test"))
    for name in sorted(shown, key=lambda name: name not in leading):
        yield f"{task}/{name}", shown[name][-1]
        yield f"{task}/{name}_best", shown[name][best]
    for name, value in member(result, "model_info", what).items():
        yield f"{task}/{name}", measured(value, f"{what}: {name}")


LAYOUT = Layout("transnas-bench-101", "transnas_micro", ("transnas-bench*.pth",), _has, _read)
