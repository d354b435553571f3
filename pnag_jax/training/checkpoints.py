"""Checkpoints that are whole or absent; orbax is behind :mod:`~pnag_jax.training.stores`.

One step is one folder ``<folder>/<step>`` with the arrays as orbax writes
them and a ``manifest.json`` with the SHA-256 of every file.  A step is built
under ``<step>.tmp``, made durable, and renamed: no name that is a number ever
holds half a checkpoint because of a kill.  What orbax leaves open is closed
here: it restores flipped bits silently, casts dtypes silently, takes an empty
folder for the latest step, and has no fall-back to an older one.

Of several processes one can do all this alone, or all of them together, in a
folder that all see: each then writes, reads and verifies its part of the arrays
that span them.  What is on the disk is read by any number of processes, over
any devices, either way.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import pathlib
import re
import secrets
import shutil
from collections.abc import Callable
from typing import Any, NamedTuple

from pnag_jax.errors import DataError, UsageError, UserError
from pnag_jax.training import files, hosts, manifest, stores, trees
from pnag_jax.training.trees import PyTree

_LOG = logging.getLogger(__name__)
_STORE = "arrays"
_TOKEN = ".together"


class Restored(NamedTuple):
    """A checkpoint that was read: its step and its pytree."""

    step: int
    tree: PyTree


class _Misfit(DataError):
    """A step that is whole, and not what is wanted."""


class Checkpoints:
    """The checkpoints of one run, in one folder.

    Saves are synchronous: when :meth:`save` returns, the step is on the disk.

    Attributes:
      folder: absolute path; made at the first save.
      keep: number of good steps that stay.
      together: whether all processes call :meth:`save`, :meth:`restore` and
        :meth:`clean` alike; else one process does.  From :meth:`of_all`.
    """

    together = False

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

    def of_all(self) -> Checkpoints | None:
        """The leader's checkpoints, for all processes together; all call this alike.

        Returns:
          None where the leader's folder is not the same, or not there, for
          another process: the leader alone can save then.

        Raises:
          UserError: the leader cannot write there.
        """
        token, fault = secrets.token_hex(16), None
        try:
            if hosts.leads():
                with files.writing(self.folder):
                    self.folder.mkdir(parents=True, exist_ok=True)
                files.write_text(self.folder / _TOKEN, token)
        except UserError as error:
            fault = error
        hosts.agree(fault)
        name, wanted = json.loads(hosts.texts(json.dumps([str(self.folder), token]))[0])
        found = Checkpoints(name, keep=self.keep)
        found.together = True
        with contextlib.suppress(OSError, ValueError):
            token = (found.folder / _TOKEN).read_text()
        blind = [i for i, seen in enumerate(hosts.texts(str(token == wanted))) if seen != "True"]
        if hosts.leads():
            _remove(self.folder / _TOKEN)
            if blind:
                _LOG.warning(
                    "%s: process %d does not see it, process 0 alone saves", name, *blind[:1]
                )
        return None if blind else found

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
        if self._leads:
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
        temporary = self.folder / f"{step}.tmp"

        def prepare() -> None:
            try:
                trees.require_finite(host, require_finite)
            except UserError as error:
                raise UserError(f"step {step} is not saved: {error}; {self._newest()}") from None
            if self._leads:
                self._make_room(step, temporary)

        def finish() -> None:
            if self._leads:
                found = manifest.Manifest(step, host.specs, host.impls, items)
                manifest.write(temporary, found, listed)
                with files.writing(self.folder / str(step)):
                    os.rename(temporary, self.folder / str(step))
                files.sync_folder(self.folder)

        try:
            self._agreed(prepare)
            items = stores.write(temporary / _STORE, host.arrays, together=self.together)
            listed = self._listed(temporary)
            self._agreed(finish)
        except BaseException:
            if self._leads:
                _remove(temporary)
            raise
        self._good.add(step)
        if self._leads:
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
            all others become jax arrays on the default device, or where the
            target has them over devices of several processes.
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
        if self.together:
            steps = json.loads(hosts.texts(json.dumps(steps))[0])
        if step is not None:
            if step not in steps:
                raise UsageError(f"{self.folder}: no step {step}; there are {steps or 'none'}")
            steps, strict = [step], True
        damages = []
        for candidate in reversed(steps):
            try:
                host = self._read(candidate, target)
            except _Misfit:
                raise
            except DataError as error:
                if strict:
                    raise
                damages.append(str(error))
                continue
            for damage in damages:
                _LOG.warning("%s; step %d is used instead", damage, candidate)
            return Restored(candidate, trees.from_host(host, target))
        if damages:
            raise DataError(
                f"{damages[0]}; no step in {self.folder} is whole: delete the folder to start anew"
            )
        return None

    @property
    def _leads(self) -> bool:
        """Whether what one process does is this one's to do."""
        return hosts.leads() or not self.together

    def _agreed(self, work: Callable[[], Any]) -> Any:
        """What ``work`` returns; if together, a fault of any process is one of all."""
        result, fault = None, None
        try:
            result = work()
        except UserError as error:
            if not self.together:
                raise
            fault = error
        if self.together:
            hosts.agree(fault)
        return result

    def _manifest(self, step: int, share: tuple[int, int] = (0, 1)) -> manifest.Manifest:
        folder = self.folder / str(step)
        found = manifest.read(folder, share=share)
        if found.step != step:
            raise DataError(f"{folder / manifest.NAME}: written for step {found.step}")
        self._good.add(step)
        return found

    def _read(self, step: int, target: PyTree) -> trees.HostTree:
        share = (hosts.index(), hosts.count()) if self.together else (0, 1)
        found: manifest.Manifest = self._agreed(lambda: self._manifest(step, share))
        try:
            trees.check_specs(found.specs, target)
        except DataError as error:
            raise _Misfit(f"{self.folder / str(step)}: {error}") from None
        leaves = trees.named_leaves(target)
        across = {name: trees.sharding_across(leaf) for name, leaf in leaves.items()}
        shardings = {name: sharding for name, sharding in across.items() if sharding is not None}
        stored = stores.read(self.folder / str(step) / _STORE, found.items, shardings)
        for name, spec in found.specs.items():
            if name not in stored:  # orbax does not store arrays without elements
                stored[name] = trees.empty(spec, found.impls.get(name))
        return trees.HostTree(stored, found.specs, found.impls)

    def _listed(self, temporary: pathlib.Path) -> dict[str, Any]:
        """The files of a new step for its manifest: each process reads what it has written."""
        me, number = (hosts.index(), hosts.count()) if self.together else (0, 1)
        mine: dict[str, Any] = self._agreed(
            lambda: manifest.listed(temporary, lambda name: stores.writer_of(name) % number == me)
        )
        if not self.together:
            return mine
        return {k: v for text in hosts.texts(json.dumps(mine)) for k, v in json.loads(text).items()}

    def _make_room(self, step: int, temporary: pathlib.Path) -> None:
        if (self.folder / str(step)).exists():
            self._discard_damaged(step)
        with files.writing(temporary):
            self.folder.mkdir(parents=True, exist_ok=True)
            self._delete_temporaries()
            temporary.mkdir()

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
