"""NATS-Bench, topology: a folder with one bzip2-compressed pickle a cell.

``NATS-tss-v1_0-3ffb9-simple/`` holds ``meta.pickle.pbz2`` and
``000000.pickle.pbz2`` to ``015624.pickle.pbz2``.  The cells are those of
NAS-Bench-201, trained anew.
"""

from __future__ import annotations

import pathlib
from collections.abc import Mapping

from pnag_jax.benchmarks import safe_pickle
from pnag_jax.benchmarks.formats import bounded
from pnag_jax.benchmarks.formats.stand_ins import CONTAINERS, NUMPY
from pnag_jax.benchmarks.importers import cell_results
from pnag_jax.benchmarks.importers.base import Layout, Rows, member
from pnag_jax.errors import DataError

_ENDING = ".pickle.pbz2"
# Unpacked; a cell of the official folder takes a twentieth of it.
_MAX_BYTES = 8 * 2**20
_ALLOWED: Mapping[tuple[str, str], type] = {**CONTAINERS, **NUMPY}


def _has(path: pathlib.Path) -> bool:
    return (path / f"meta{_ENDING}").is_file()


def _read(path: pathlib.Path) -> Rows:
    if not path.is_dir():
        raise DataError(f"{path}: is not a folder; expected that of the -simple archive, unpacked")
    meta = _load(path / f"meta{_ENDING}")
    rows = Rows(
        path,
        "nb201",
        {
            **cell_results.META,
            "sources": [f"{path.name}, NATS-Bench (github.com/D-X-Y/NATS-Bench)"],
            "licence": "MIT (of the benchmark's repository; the files state none)",
        },
    )
    listed = member(meta, "meta_archs", f"{path}/meta{_ENDING}", list)
    for index, text in enumerate(listed):
        file = path / f"{index:06d}{_ENDING}"
        record = _load(file)
        states = {name: member(record, name, str(file)) for name in cell_results.SUFFIXES}
        found = member(states["200"], "arch_str", str(file), str)
        if found != text:
            raise DataError(f"{file}: is of {found!r:.90}; the list has {text!r:.90} there")
        cell_results.add(rows, states, str(file))
    return rows


def _load(file: pathlib.Path) -> object:
    return safe_pickle.loads(bounded.read_bz2(file, _MAX_BYTES), _ALLOWED, file)


LAYOUT = Layout("nats-bench", "nb201", ("NATS-tss-*-simple",), _has, _read)
