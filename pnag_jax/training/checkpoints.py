"""Checkpoints that are whole or absent; all of orbax is behind this module.

One step is one folder ``<folder>/<step>`` with the arrays as orbax writes
them and a ``manifest.json`` with the SHA-256 of every file.  A step is built
under ``<step>.tmp``, made durable, and renamed: no name that is a number ever
holds half a checkpoint because of a kill.  What orbax leaves open is closed
here: it restores flipped bits silently, casts dtypes silently, takes an empty
folder for the latest step, and has no fall-back to an older one.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pathlib
import re
import shutil
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp

from pnag_jax.errors import DataError, UsageError, UserError
from pnag_jax.training import files, manifest, trees
from pnag_jax.training.trees import PyTree

_LOG = logging.getLogger(__name__)
_STORE = "arrays"


class Restored(NamedTuple):
    """A checkpoint that was read: its step and its pytree."""

    step: int
    tree: PyTree


class Checkpoints:
    """The checkpoints of one run, in one folder, written by one process.

    Saves are synchronous: when :meth:`save` returns, the step is on the disk.

    Attributes:
      folder: absolute path; made at the first save.
      keep: number of good steps that stay.
    """

    def __init__(self, folder: files.StrPath, *, keep: int = 3):
        """Opens ``folder``; nothing is written yet.

        Args:
          folder: the folder, made at the first save.
          keep: number of newest good steps that stay, 1 or more.

        Raises:
          UsageError: ``keep`` below 1.
        """
        if keep < 1:
            raise UsageError(f"keep={keep}: at least 1 checkpoint must stay")
        self.folder = pathlib.Path(os.path.abspath(folder))
        self.keep = keep
        self._good: set[int] = set()  # written or verified by this process

    def steps(self) -> list[int]:
        """The steps there are, ascending; not verified."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            return sorted(int(p.name) for p in self.folder.iterdir() if _is_step(p.name))
        return []

    def verify(self, step: int) -> None:
        """Reads a whole step against its manifest.

        Raises:
          DataError: naming the file that is missing, truncated or changed.
        """
        self._manifest(step)

    def clean(self) -> None:
        """Deletes what killed processes left: temporary folders, and steps past ``keep``."""
        self._delete_temporaries()
        self._delete_old()

    def save(
        self,
        step: int,
        tree: PyTree,
        *,
        require_finite: bool | Callable[[str], bool] = True,
    ) -> None:
        """Saves ``tree`` as ``step``, then deletes steps older than the newest ``keep``.

        Args:
          step: 0 or more.
          tree: jax and numpy arrays, typed PRNG keys, Python numbers, in any
            pytree.
          require_finite: refuse a tree with NaN or Inf before anything is
            written; a predicate on leaf names (as ``.params['w']``) limits
            where.

        Raises:
          UserError: NaN or Inf; no space, no permission and the like, with
            path and reason; the step is already there and whole.  The
            earlier steps are untouched.
        """
        host = trees.to_host(tree)
        try:
            trees.require_finite(host, require_finite)
        except UserError as error:
            raise UserError(f"step {step} is not saved: {error}; {self._newest()}") from None
        final, temporary = self.folder / str(step), self.folder / f"{step}.tmp"
        if final.exists():
            self._discard_damaged(step)
        with files.writing(temporary):
            self.folder.mkdir(parents=True, exist_ok=True)
            self._delete_temporaries()
            temporary.mkdir()
        try:
            items = _write_arrays(temporary / _STORE, host.arrays)
            manifest.write(temporary, manifest.Manifest(step, host.specs, host.impls, items))
            with files.writing(final):
                os.rename(temporary, final)
        except BaseException:
            _remove(temporary)
            raise
        files.sync_folder(self.folder)
        self._good.add(step)
        self._delete_old()

    def restore(
        self, target: PyTree, *, step: int | None = None, strict: bool = False
    ) -> Restored | None:
        """Reads the newest step that verifies.

        Args:
          target: a pytree of arrays or ``jax.ShapeDtypeStruct`` (for instance
            from ``jax.eval_shape``) with the structure, shapes and dtypes
            wanted; numpy leaves come back as numpy arrays, a
            :class:`~pnag_jax.training.trees.AnyShape` leaf takes any shape,
            all others become jax arrays on the default device.
          step: this step and no other.
          strict: refuse, instead of taking an older step with a warning that
            names the damaged file.

        Returns:
          The step and the tree, or ``None`` where no step was ever saved.

        Raises:
          DataError: a damaged step with ``strict`` or ``step``; no step that
            verifies; a step that verifies and does not fit ``target``.
          UsageError: ``step`` is not there.
        """
        steps = self.steps()
        if step is not None:
            if step not in steps:
                raise UsageError(f"{self.folder}: no step {step}; there are {steps or 'none'}")
            steps, strict = [step], True
        damages = []
        for candidate in reversed(steps):
            try:
                host = self._read(candidate)
            except DataError as error:
                if strict:
                    raise
                damages.append(str(error))
                continue
            try:
                trees.check_specs(host.specs, target)
            except DataError as error:
                raise DataError(f"{self.folder / str(candidate)}: {error}") from None
            for damage in damages:
                _LOG.warning("%s; step %d is used instead", damage, candidate)
            return Restored(candidate, trees.from_host(host, target))
        if damages:
            raise DataError(
                f"{damages[0]}; no step in {self.folder} is whole: delete the folder to start anew"
            )
        return None

    def _manifest(self, step: int) -> manifest.Manifest:
        folder = self.folder / str(step)
        found = manifest.read(folder)
        if found.step != step:
            raise DataError(f"{folder / manifest.NAME}: written for step {found.step}")
        self._good.add(step)
        return found

    def _read(self, step: int) -> trees.HostTree:
        found = self._manifest(step)
        stored = _read_arrays(self.folder / str(step) / _STORE, found.items)
        for name, spec in found.specs.items():
            if name not in stored:  # orbax does not store arrays without elements
                stored[name] = trees.empty(spec, found.impls.get(name))
        return trees.HostTree(stored, found.specs, found.impls)

    def _newest(self) -> str:
        steps = self.steps()
        return f"the newest checkpoint is step {steps[-1]}" if steps else "there is no checkpoint"

    def _discard_damaged(self, step: int) -> None:
        """Clears the name of a step that a restore fell back from and training reached again."""
        try:
            self.verify(step)
        except DataError as error:
            _LOG.warning("%s; step %d is written anew", error, step)
            with files.writing(self.folder):
                self._delete(step)
        else:
            raise UserError(f"{self.folder}: step {step} is already saved")

    def _delete_temporaries(self) -> None:
        if self.folder.is_dir():
            for path in self.folder.iterdir():
                if re.fullmatch(r"\d+\.tmp", path.name):
                    _remove(path)

    def _delete_old(self) -> None:
        kept = 0
        for step in reversed(self.steps()):
            if kept >= self.keep:
                try:
                    self._delete(step)
                except OSError as error:
                    _LOG.warning("%s: cannot delete step %d: %s", self.folder, step, error)
            elif self._is_good(step):
                kept += 1

    def _is_good(self, step: int) -> bool:
        if step not in self._good:
            with contextlib.suppress(DataError):
                self.verify(step)
        return step in self._good

    def _delete(self, step: int) -> None:
        # Renamed first: a kill in the middle leaves a temporary, not a damaged step.
        doomed = self.folder / f"{step}.tmp"
        os.rename(self.folder / str(step), doomed)
        self._good.discard(step)
        _remove(doomed)


def _is_step(name: str) -> bool:
    return re.fullmatch(r"0|[1-9]\d*", name) is not None


def _remove(path: pathlib.Path) -> None:
    """Deletes a folder, a file or a link; what cannot be deleted stays for the next time."""
    with contextlib.suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _write_arrays(folder: pathlib.Path, arrays: dict[str, np.ndarray]) -> dict[str, str]:
    """Gives the arrays to orbax; returns the name in the store of each one it took."""
    # Numbered: unique, and free of the characters that mean something to a store.
    items = {
        name: f"{i:05d}.{re.sub(r'[^A-Za-z0-9_]+', '.', name).strip('.')}"
        for i, (name, array) in enumerate(arrays.items())
        if array.size
    }
    if items:
        try:
            with _orbax() as checkpointer:
                args = ocp.args.PyTreeSave({item: arrays[name] for name, item in items.items()})
                checkpointer.save(folder, args=args)
        except Exception as error:
            raise UserError(f"{folder.parent}: cannot write: {_reason(error)}") from error
    return items


def _read_arrays(folder: pathlib.Path, items: dict[str, str]) -> dict[str, np.ndarray]:
    if not items:
        return {}
    try:
        with _orbax() as checkpointer:
            args = ocp.args.PyTreeRestore(
                restore_args={i: ocp.RestoreArgs(restore_type=np.ndarray) for i in items.values()}
            )
            stored = checkpointer.restore(folder, args=args)
            return {name: stored[item] for name, item in items.items()}
    except Exception as error:
        raise DataError(f"{folder}: orbax cannot read it: {_reason(error)}") from error


@contextlib.contextmanager
def _orbax() -> Iterator[ocp.Checkpointer]:
    """A checkpointer for this process alone, without orbax's own log of tracebacks."""
    me = jax.process_index()
    checkpointer = ocp.Checkpointer(
        ocp.PyTreeCheckpointHandler(),
        multiprocessing_options=ocp.options.MultiprocessingOptions(
            primary_host=me, active_processes={me}
        ),
    )
    logger = logging.getLogger("absl")

    def critical(record: logging.LogRecord) -> bool:
        return record.levelno >= logging.CRITICAL

    logger.addFilter(critical)
    try:
        yield checkpointer
    finally:
        logger.removeFilter(critical)
        checkpointer.close()


def _reason(error: Exception) -> str:
    """The cause in a few words; tensorstore puts it at the end of a long line."""
    code = re.search(r"os_error_code='(\d+)'", str(error))
    if code:
        return os.strerror(int(code.group(1)))
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return (str(error).splitlines() or [type(error).__name__])[0]
