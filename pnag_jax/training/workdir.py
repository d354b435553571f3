"""The folder of one run: who writes it, under which config, and safe paths in it."""

from __future__ import annotations

import json
import pathlib
import types
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pnag_jax.errors import DataError, UsageError, UserError
from pnag_jax.training import files
from pnag_jax.training.lock import Lock

CONFIG = "config.json"
_LOCK = ".lock"
_ABSENT = "(absent)"


class Workdir:
    """A locked work directory; use it as a context manager.

    The first run writes ``config.json``: ``{"program": ..., "config": ...}``.
    It is written once and compared by every later run.

    Attributes:
      path: the folder, absolute, symbolic links resolved.
      resumed: whether an earlier run had written its config here.
    """

    def __init__(
        self,
        path: files.StrPath,
        *,
        program: str,
        config: Mapping[str, Any],
        may_change: Iterable[str] = (),
    ):
        """Opens ``path``, making it where it is not there.

        Args:
          path: the folder.
          program: who writes here, for instance "experiments.nb201".
          config: plain data, nested; it fixes what the run computes.
          may_change: dotted names of fields, or of whole groups of fields,
            that a later run may change ("log_every", "report").

        Raises:
          UsageError: not a folder; it belongs to another program; the config
            differs in a field that may not change: a diff, on one line.
          UserError: another process writes here; no permission.
          DataError: ``config.json`` is damaged.
        """
        self.path = pathlib.Path(path).expanduser().resolve()
        if self.path.exists() and not self.path.is_dir():
            raise UsageError(f"workdir {path}: not a folder")
        wanted = {"program": program, "config": files.plain(config)}
        # Before the lock file, so that a folder of something else stays as it is.
        self._check(wanted, tuple(may_change))
        with files.writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        self._lock = Lock(self.path / _LOCK)
        try:
            self.resumed = self._check(wanted, tuple(may_change))
            if not self.resumed:
                files.write_json(self.path / CONFIG, wanted)
        except BaseException:
            self._lock.release()
            raise

    def __enter__(self) -> Workdir:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: types.TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Gives the lock back."""
        self._lock.release()

    def inside(self, name: files.StrPath) -> pathlib.Path:
        """The absolute path of ``name`` in the folder.

        Raises:
          UsageError: it leads out of the folder, by itself or through a
            symbolic link.
        """
        path = self.path / name
        resolved = path.resolve()
        if resolved == self.path or self.path not in resolved.parents:
            raise UsageError(f"{path}: leads out of the workdir, to {resolved}")
        return path

    def write_text(self, name: files.StrPath, text: str) -> None:
        """Replaces a file of the folder in one step.

        Raises:
          UsageError: ``name`` leads out of the folder.
          UserError: the system refuses; the old file is whole.
        """
        files.write_text(self._made(name), text)

    def write_json(self, name: files.StrPath, value: Any) -> None:
        """As :meth:`write_text`, with the JSON form of ``value``; NaN becomes null."""
        files.write_json(self._made(name), value)

    def read_json(self, name: files.StrPath) -> Any:
        """What :meth:`write_json` wrote, or None where there is no such file.

        Raises:
          UsageError: ``name`` leads out of the folder.
          DataError: damaged.
        """
        return _read_json(self.inside(name))

    def _made(self, name: files.StrPath) -> pathlib.Path:
        path = self.inside(name)
        with files.writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _check(self, wanted: dict[str, Any], may_change: tuple[str, ...]) -> bool:
        path = self.inside(CONFIG)
        found = _read_json(path)
        if found is None:
            foreign = [n for n in ("checkpoints", "metrics.jsonl") if (self.path / n).exists()]
            if foreign:
                raise UsageError(f"workdir {self.path}: holds {foreign[0]} but no {CONFIG}")
            return False
        if not isinstance(found, dict) or not {"program", "config"} <= found.keys():
            raise UsageError(f"{path}: belongs to another program, not to {wanted['program']}")
        if found["program"] != wanted["program"]:
            raise UsageError(
                f"{path}: belongs to {found['program']}, not to {wanted['program']};"
                " use another workdir"
            )
        differing = list(differences(found["config"], wanted["config"], may_change))
        if differing:
            raise UsageError(
                f"{path}: the run was started with another config: {'; '.join(differing)}."
                f" Use another workdir or the old values (free to change:"
                f" {', '.join(may_change) or 'nothing'})"
            )
        return True


def _read_json(path: pathlib.Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(f"{path}: cannot read: {error.strerror or error}") from error
    except ValueError as error:
        raise DataError(f"{path}: not JSON: damaged or truncated") from error


def differences(old: Any, new: Any, may_change: tuple[str, ...] = ()) -> Iterator[str]:
    """Each field of nested dicts that differs, as "<dotted name> was <old> and is <new>"."""
    before, after = dict(_fields(old)), dict(_fields(new))
    for name in sorted(before.keys() | after.keys()):
        was, now = before.get(name, _ABSENT), after.get(name, _ABSENT)
        free = any(name == field or name.startswith(field + ".") for field in may_change)
        if was != now and not free:
            yield f"{name} was {was} and is {now}"


def _fields(value: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Dotted names and JSON texts of the leaves of nested dicts."""
    if isinstance(value, dict) and value:
        for name, item in value.items():
            yield from _fields(item, f"{prefix}.{name}" if prefix else str(name))
    else:
        yield prefix or "config", json.dumps(value, sort_keys=True)
