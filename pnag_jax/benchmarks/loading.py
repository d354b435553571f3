"""From a benchmark's name to its table."""

from __future__ import annotations

import dataclasses
import os
import pathlib

from pnag_jax import spaces
from pnag_jax.benchmarks import packages, stacked, tables, vision_transformers
from pnag_jax.benchmarks.base import Table
from pnag_jax.errors import UsageError

ENVIRONMENT = "PNAG_BENCHMARK_DIR"

# Tables of packages that stand in where there is no file of that name.
_STAND_INS = {"gnn": "gnn", "nb201": "nb201:analog"}


def load(name: str, benchmark_dir: str | os.PathLike | None = None) -> Table:
    """Opens a benchmark table.

    Args:
      name: one of ``names()``, or the path of an ``.npz`` file.  A name is
        looked for as ``<benchmark_dir>/<name>.npz`` first, then as files of
        several data sets there (``stacked``), then among the tables of
        installed packages; ``Table.source`` says which it was.
      benchmark_dir: the folder of tables; if None, the environment variable
        PNAG_BENCHMARK_DIR.

    Raises:
      MissingTableError: a known table that is not at hand; the message says
        what would provide it.
      UsageError: an unknown name, or no such folder.
      DataError: the table is damaged.
    """
    if name.endswith(".npz") or os.sep in name:
        return _from_file(pathlib.Path(name))
    folder = _folder(benchmark_dir)
    if folder is not None and (file := folder / f"{name}.npz").is_file():
        return _from_file(file, space=name if name in spaces.names() else None)
    if folder is not None and (parts := stacked.files(name, folder)):
        return stacked.read(name, parts)
    if name in packages.TABLES or name in _STAND_INS:
        return _from_package(name, folder)
    if name in spaces.names():
        known = stacked.PARTS.get(name, {name: name}).values()
        wanted = " or ".join(f"{stem}.npz" for stem in known)
        where = f"put {wanted} there" if folder else f"give a folder that has {wanted}"
        raise packages.MissingTableError(
            f"benchmark {name!r}: no table at hand; {where}: --benchmark_dir="
            f"{folder or 'DIR'} or {ENVIRONMENT}"
        )
    accepted = sorted({*names(folder), *spaces.names()})
    raise UsageError(
        f"benchmark {name!r} is unknown; accepted are {', '.join(accepted)} or the path of an "
        ".npz file"
    )


def names(benchmark_dir: str | os.PathLike | None = None) -> tuple[str, ...]:
    """Names of the tables of packages and of ``benchmark_dir``, sorted."""
    folder = _folder(benchmark_dir)
    files = sorted(folder.glob("*.npz")) if folder else []
    found = {file.stem for file in files if tables.looks_like_table(file) or _of_samples(file)}
    if folder is not None:
        found |= {space for space in stacked.PARTS if stacked.files(space, folder)}
    return tuple(sorted({*found, *packages.TABLES, *_STAND_INS}))


def _from_file(path: pathlib.Path, space: str | None = None) -> Table:
    if space in (None, vision_transformers.SPACE) and _of_samples(path):
        return vision_transformers.read(path)
    return tables.read_table(path, space=space)


def _of_samples(path: pathlib.Path) -> bool:
    return vision_transformers.looks_like_samples(path)


def _folder(benchmark_dir: str | os.PathLike | None) -> pathlib.Path | None:
    flag, value = "--benchmark_dir", benchmark_dir
    if value is None:
        flag, value = ENVIRONMENT, os.environ.get(ENVIRONMENT) or None
    if value is None:
        return None
    folder = pathlib.Path(value)
    if not folder.is_dir():
        raise UsageError(f"{flag}={folder}: no such folder")
    return folder


def _from_package(name: str, folder: pathlib.Path | None) -> Table:
    try:
        table = packages.load(_STAND_INS.get(name, name))
    except packages.MissingTableError as error:
        if name not in _STAND_INS:
            raise packages.MissingTableError(f"benchmark {name!r}: {error}") from error
        raise packages.MissingTableError(
            f"benchmark {name!r}: {error}, or give a folder that has {name}.npz: --benchmark_dir "
            f"or {ENVIRONMENT}"
        ) from error
    if folder is None or name not in _STAND_INS:
        return table
    return dataclasses.replace(table, source=f"{table.source}; {folder} has no {name}.npz")
