"""NAS-Bench-201: one file of ``torch.save`` with all 15,625 cells.

``NAS-Bench-201-v1_1-096897.pth`` (4.7 GB) and ``-v1_0-e61699.pth``: a
dictionary with ``meta_archs``, ``arch2infos`` (by index, ``less`` and ``full``:
12 and 200 epochs) and more; only ``arch2infos`` is large, and read cell by cell.
"""

from __future__ import annotations

import pathlib
from typing import Any

from pnag_jax.benchmarks.formats import torch_file
from pnag_jax.benchmarks.importers import cell_results
from pnag_jax.benchmarks.importers.base import HEAD_BYTES, Layout, Rows, drained, member

_SCHEDULES = {"12": "less", "200": "full"}


def _has(path: pathlib.Path) -> bool:
    return b"meta_archs" in torch_file.start(path, HEAD_BYTES)


def _read(path: pathlib.Path) -> Rows:
    meta = {
        **cell_results.META,
        "sources": [f"{path.name}, NAS-Bench-201 (github.com/D-X-Y/NAS-Bench-201)"],
        "licence": "MIT (of the benchmark's repository; the file states none)",
    }
    rows = Rows(path, "nb201", meta)

    def add(index: Any, infos: Any) -> None:
        what = f"{path}: cell {index}"
        record = {name: member(infos, key, what) for name, key in _SCHEDULES.items()}
        cell_results.add(rows, record, what)

    top = drained(torch_file.entries(path, ("arch2infos",)), add)
    cell_results.check_complete(rows, top, str(path))
    return rows


LAYOUT = Layout("nas-bench-201", "nb201", ("NAS-Bench-201-*.pth",), _has, _read)
