"""What a run logs: JSON lines, and the same numbers for TensorBoard.

``metrics.jsonl`` has one object a line: ``step`` first, then the metrics in
alphabetical order.  It holds nothing that depends on the clock, so that the
same seed gives the same bytes, interrupted or not.  Timings go to
``timings.jsonl``, of the same form, and TensorBoard gets both.
"""

from __future__ import annotations

import json
import os
import pathlib
import types
from collections.abc import Mapping
from typing import Any

from pnag_jax.errors import DataError
from pnag_jax.training import files
from pnag_jax.training.tensorboard import EventWriter

METRICS = "metrics.jsonl"
TIMINGS = "timings.jsonl"
TENSORBOARD = "tensorboard"


class MetricsWriter:
    """Writes the metrics of one run into its folder; use it as a context manager."""

    def __init__(self, folder: files.StrPath, *, tensorboard: bool = True):
        """Opens ``folder``, which is there; a line that a kill tore is dropped.

        Raises:
          UserError: the system refuses.
          DataError: a line that is not the last is damaged.
        """
        folder = pathlib.Path(folder)
        self._metrics = _Lines(folder / METRICS)
        self._timings = _Lines(folder / TIMINGS)
        self._events = EventWriter(folder / TENSORBOARD) if tensorboard else None

    def __enter__(self) -> MetricsWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: types.TracebackType | None,
    ) -> None:
        self.close()

    def write(
        self, step: int, metrics: Mapping[str, Any], timings: Mapping[str, Any] | None = None
    ) -> None:
        """Logs one line; it reaches the file at the next :meth:`flush`.

        Args:
          step: what the values belong to.
          metrics: numbers, strings, lists or arrays of them; non-finite
            numbers become null.  Without any, no line is written.
          timings: what depends on the clock, in a file of its own.
        """
        if metrics:
            self._metrics.write(step, metrics)
        if timings:
            self._timings.write(step, timings)
        if self._events is not None:
            self._events.write(step, metrics)
            self._events.write(step, {f"time/{k}": v for k, v in (timings or {}).items()})

    def truncate(self, step: int) -> None:
        """Drops every line and event after ``step``: a resumed run logs those again.

        Raises:
          UserError: the system refuses.
          DataError: a line at or before ``step`` is damaged.
        """
        self._metrics.truncate(step)
        self._timings.truncate(step)
        if self._events is not None:
            self._events.truncate(step)

    def flush(self, *, durable: bool = False) -> None:
        """Hands everything to the system; ``durable``: and on to the disk.

        Raises:
          UserError: disk full and the like, with path and reason.
        """
        for lines in (self._metrics, self._timings):
            lines.flush(durable)
        if self._events is not None and durable:
            self._events.flush()

    def close(self) -> None:
        """Flushes and closes.

        Raises:
          UserError: as :meth:`flush`.
        """
        self.flush()
        if self._events is not None:
            self._events.close()


def read(path: files.StrPath) -> list[dict[str, Any]]:
    """The lines of a JSON-lines file; a torn last line is left out.

    Returns:
      One dict a line, empty where the file is not there.

    Raises:
      DataError: a damaged line that is not the last, named by its number.
    """
    return [line for line, _ in _parsed(pathlib.Path(path))]


class _Lines:
    """A JSON-lines file that is appended to and cut back."""

    def __init__(self, path: pathlib.Path):
        self._path = path
        self._waiting = b""
        self._cut([raw for _, raw in _parsed(path)])

    def write(self, step: int, values: Mapping[str, Any]) -> None:
        line = {"step": int(step), **files.plain(dict(sorted(values.items())))}
        self._waiting += json.dumps(line, allow_nan=False).encode() + b"\n"

    def truncate(self, step: int) -> None:
        self._waiting = b""
        self._cut([raw for line, raw in _parsed(self._path) if line["step"] <= step])

    def flush(self, durable: bool) -> None:
        with files.writing(self._path):
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(self._path, flags, 0o644)
            try:
                while self._waiting:
                    self._waiting = self._waiting[os.write(descriptor, self._waiting) :]
                if durable:
                    os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def _cut(self, lines: list[bytes]) -> None:
        text = b"".join(lines)
        if self._path.exists() and self._path.stat().st_size != len(text):
            files.write_bytes(self._path, text)


def _parsed(path: pathlib.Path) -> list[tuple[dict[str, Any], bytes]]:
    """Each whole line, read and raw."""
    try:
        raw_lines = path.read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise DataError(f"{path}: cannot read: {error.strerror or error}") from error
    lines: list[tuple[dict[str, Any], bytes]] = []
    for number, raw in enumerate(raw_lines, 1):
        try:
            line = json.loads(raw)
            whole = raw.endswith(b"\n") and isinstance(line["step"], int)
        except (ValueError, TypeError, KeyError):
            whole = False
        if whole:
            lines.append((line, raw))
        elif number < len(raw_lines):
            raise DataError(f"{path}: line {number} is damaged")
    return lines
