"""Which architectures a program was asked for: drawn, generated, or written down."""

from __future__ import annotations

import importlib
import json
import os
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict

from experiments import stage1
from pnag_jax import generation
from pnag_jax.errors import DataError, UsageError, UserError
from pnag_jax.spaces import Space, SpaceError
from pnag_jax.training import files, hosts
from pnag_jax.training.interrupts import Interrupt
from pnag_jax.training.progress import Progress
from pnag_jax.training.workdir import CONFIG

FORMS = (
    "generated:N, random:N, transfer:N, all, a file with one a line, or strings with ; between them"
)
_MAX = 1_000_000
_FOLDER = "generator"
_FINISHED = pathlib.Path("phases", "training", "result.json")


class Asked(NamedTuple):
    """``--archs``, read.

    Attributes:
      kind: ``generated``, ``random``, ``transfer``, ``all`` or ``given``.
      number: how many of the first three.
      genotypes: int32 ``[n, L]`` where they are given.
    """

    kind: str
    number: int = 0
    genotypes: np.ndarray | None = None


def read(text: str, space: Space) -> Asked:
    """Reads ``--archs``.

    Raises:
      UsageError: of no form that is accepted, a count out of range, an
        architecture that is not one of the space or not valid in it.
      DataError: a file without architectures.
    """
    kind, colon, count = text.partition(":")
    if kind in ("generated", "random", "transfer") and colon:
        if not count.isdecimal() or not 1 <= int(count) <= _MAX:
            raise UsageError(f"--archs={text}: the number must be from 1 to {_MAX:,}")
        return Asked(kind, int(count))
    if text == "all":
        return Asked(text)
    found = list(_lines(text))
    if not found:
        raise DataError(f"--archs={text}: holds no architecture")
    rows = np.stack([_genotype(where, line, space) for where, line in found])
    return Asked("given", genotypes=_distinct(rows))


def _lines(text: str) -> Iterator[tuple[str, str]]:
    """Where each architecture stands, and its text."""
    path = pathlib.Path(text)
    try:
        is_file = path.is_file()
    except OSError:  # strings may be too long for a name
        is_file = False
    if not is_file:
        words = [word.strip() for word in text.split(";")]
        yield from (("--archs", word) for word in words if word)
        return
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"--archs={text}: cannot be read: {error}") from error
    for number, line in enumerate(lines, 1):
        where = f"{path}: line {number}"
        if line.startswith("{"):
            # As in generated.jsonl.
            try:
                line = str(json.loads(line)["architecture"])
            except (ValueError, KeyError) as error:
                raise DataError(f"{where}: is no JSON object with an architecture") from error
        if line.strip():
            yield where, line.strip()


def _genotype(where: str, line: str, space: Space) -> np.ndarray:
    try:
        genotype = space.from_string(line)
    except SpaceError as error:
        known = where != "--archs" or any(mark in line for mark in "|~()[]{}0123456789")
        raise UsageError(
            f"{where}: {error}" if known else f"--archs={line}: accepted are {FORMS}"
        ) from error
    if not bool(space.is_valid(genotype)):
        raise UsageError(f"{where}: {line!r} is not a valid architecture of {space.name}")
    return genotype


def make(
    asked: Asked,
    space: Space,
    *,
    key: jax.Array,
    generator: generation.Generator | None = None,
) -> np.ndarray:
    """The architectures, each once: int32 ``[n, L]``.

    Args:
      asked: from ``read``.
      space: of them.
      key: of draws, consumed.
      generator: where they are generated.

    Raises:
      UsageError: the space has fewer than were asked for, or too many for ``all``.
    """
    if asked.genotypes is not None:
        return asked.genotypes
    if asked.kind == "all":
        if space.size > _MAX:
            raise UsageError(f"--archs=all: space {space.name} has more than {_MAX:,}")
        return _every(space)
    found = np.zeros((0, space.genotype_length), np.int32)
    for attempt in range(20):
        some = jax.random.fold_in(key, attempt)
        draw = (
            space.sample(some, 2 * asked.number)
            if generator is None
            else generation.generate(some, generator, 2 * asked.number)
        )
        found = _distinct(np.concatenate([found, np.asarray(draw, np.int32)]))
        if len(found) >= asked.number:
            return found[: asked.number]
    raise UsageError(
        f"--archs={asked.kind}:{asked.number}: only {len(found)} distinct ones could be drawn"
    )


def make_alike(
    asked: Asked,
    space: Space,
    *,
    key: jax.Array,
    generator: Callable[..., generation.Generator],
    trained: bool,
) -> np.ndarray:
    """As ``make``, on all processes the same.

    Args:
      asked: from ``read``.
      space: of them.
      key: of draws, consumed.
      generator: the function of this module, with all arguments but the devices.
      trained: whether the leader finds it trained, and reads it alone.

    Raises:
      UserError: as ``make`` and ``generator``; other processes were given others.
    """
    if asked.kind != "generated":
        found = make(asked, space, key=key)
        hosts.require_same(found, "the architectures")
        return found
    found = np.zeros((asked.number, space.genotype_length), np.int32)
    made = None
    if not bool(hosts.told(np.bool_(trained))):
        made = generator(devices=jax.devices())
    if hosts.leads():
        found = make(asked, space, key=key, generator=made or generator(devices=None))
    return hosts.told(found)


def _distinct(rows: np.ndarray) -> np.ndarray:
    """Each row once, in the order of their first places."""
    _, first = np.unique(rows, axis=0, return_index=True)
    return rows[np.sort(first)]


def _every(space: Space) -> np.ndarray:
    """One valid architecture of each isomorphism class."""
    grid = np.indices(space.choices).reshape(space.genotype_length, -1).T.astype(np.int32)
    valid = np.asarray(jax.jit(space.is_valid)(grid))
    return _distinct(np.asarray(jax.jit(space.canonical)(grid[valid])))


def generator(
    space: Space,
    *,
    config: ConfigDict | None,
    generator_workdir: str | None,
    workdir_path: str | os.PathLike[str],
    seed: int,
    interrupt: Interrupt,
    progress: Progress,
    devices: Sequence[jax.Device] | None = None,
) -> generation.Generator:
    """A stage-1 generator: that of another program's folder, or one trained here.

    Args:
      space: what to generate.
      config: of the generator; ``configs/<space>.py`` by default.
      generator_workdir: of ``experiments.<space>``, trained there.
      workdir_path: of this program; a generator of its own goes to ``generator``.
      seed: of the one trained here.
      interrupt: flag of a signal.
      progress: where progress is shown.
      devices: as for ``stage1.train_generator``.

    Raises:
      UsageError: no trained generator of this space in that folder, a space
        without a config.
      UserError, DataError, Interrupted: as ``stage1.train_generator``.
    """
    if generator_workdir is not None:
        folder = pathlib.Path(generator_workdir)
        config = _trained_in(folder, space)
        # As that program divides its seed.
        key = jax.random.split(jax.random.key(config.seed), 3)[0]
    else:
        folder = pathlib.Path(workdir_path) / _FOLDER
        config = default_config(space) if config is None else config.copy_and_resolve_references()
        key = jax.random.key(seed)
        with files.writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
    made, _ = stage1.train_generator(
        config,
        space,
        workdir_path=folder,
        key=key,
        strategy=config.train.strategy,
        devices=devices,
        interrupt=interrupt,
        progress=progress,
    )
    return made


def is_trained(generator_workdir: str | None, workdir_path: str | os.PathLike[str]) -> bool:
    """Whether ``generator`` only reads; arguments as there."""
    own = pathlib.Path(workdir_path) / _FOLDER / _FINISHED
    return generator_workdir is not None or own.is_file()


def default_config(space: Space) -> ConfigDict:
    """That of ``configs/<space>.py``; ``UsageError`` where there is none."""
    try:
        return importlib.import_module(f"configs.{space.name}").get_config()
    except ModuleNotFoundError as error:
        raise UsageError(
            f"--archs: space {space.name} has no config of its own: --config=FILE"
        ) from error


def _trained_in(folder: pathlib.Path, space: Space) -> ConfigDict:
    try:
        written = json.loads((folder / CONFIG).read_text())
        config = ConfigDict(written["config"])
        of_space = written["program"] == f"experiments.{space.name}"
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"--generator_workdir={folder}: holds no run of experiments.{space.name}"
        ) from error
    if not of_space or not (folder / _FINISHED).is_file():
        raise UserError(
            f"--generator_workdir={folder}: holds no finished training of experiments.{space.name}"
        )
    return config
