"""How far a run is: a bar on a terminal, plain lines elsewhere, or nothing."""

from __future__ import annotations

import contextlib
import datetime
import sys
import time
from collections.abc import Iterator
from typing import Any, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bar


class Progress:
    """Where progress is shown; one object for all phases of a run.

    A terminal gets a bar with rate, time left and the newest values.  Anything
    else (a file, a pipe) gets a line now and then, of the same content.
    """

    def __init__(
        self, *, quiet: bool = False, stream: TextIO | None = None, every_seconds: float = 10.0
    ):
        """Chooses the form of the display.

        Args:
          quiet: show nothing.
          stream: where to; standard error by default.
          every_seconds: time between plain lines.
        """
        self._quiet = quiet
        self._stream = stream or sys.stderr
        self._every = every_seconds

    @contextlib.contextmanager
    def task(self, label: str, total: int, *, done: int = 0, unit: str = "steps") -> Iterator[Task]:
        """Shows one phase for the length of the block.

        Args:
          label: the phase, for instance "train".
          total: number of units when finished.
          done: number of units that an earlier run has done.
          unit: their name.

        Yields:
          The task to update.
        """
        if self._quiet or total <= done:
            yield Task(label, total, done, unit)
        elif self._stream.isatty():
            columns = [
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[note]}"),
            ]
            console = Console(file=self._stream)
            with Bar(*columns, console=console, refresh_per_second=4) as bar:
                row = bar.add_task(label, total=total, completed=done, note="")
                yield _BarTask(label, total, done, unit, bar, row)
        else:
            yield _LineTask(label, total, done, unit, self._stream, self._every)


class Task:
    """One phase; this one shows nothing."""

    def __init__(self, label: str, total: int, done: int, unit: str):
        self._label = label
        self._total = total
        self._unit = unit
        self._first = done
        self._done = done
        self._start: float | None = None

    def update(self, done: int, **values: Any) -> None:
        """Tells that ``done`` units are finished; ``values`` are shown beside."""
        if self._start is None:
            # Rates leave the first update out: it holds the compilation.
            self._first, self._start = done, time.monotonic()
        self._done = done
        self._show(values)

    def _show(self, values: dict[str, Any]) -> None:
        pass

    def _note(self, values: dict[str, Any]) -> str:
        parts = []
        seconds = time.monotonic() - (self._start or 0.0)
        if self._done > self._first and seconds > 0:
            rate = (self._done - self._first) / seconds
            left = datetime.timedelta(seconds=round((self._total - self._done) / rate))
            parts = [f"{rate:,.4g} {self._unit}/s", f"{left} left"]
        return "  ".join([*parts, *(f"{name} {_short(v)}" for name, v in values.items())])


class _BarTask(Task):
    def __init__(self, label: str, total: int, done: int, unit: str, bar: Bar, row: Any):
        super().__init__(label, total, done, unit)
        self._bar = bar
        self._row = row

    def _show(self, values: dict[str, Any]) -> None:
        self._bar.update(self._row, completed=self._done, note=self._note(values))


class _LineTask(Task):
    def __init__(self, label: str, total: int, done: int, unit: str, stream: TextIO, every: float):
        super().__init__(label, total, done, unit)
        self._stream = stream
        self._every = every
        self._next = 0.0

    def _show(self, values: dict[str, Any]) -> None:
        now = time.monotonic()
        if now < self._next and self._done < self._total:
            return
        self._next = now + self._every
        share = f"{100 * self._done / self._total:.0f}%"
        head = f"{self._label} {self._done}/{self._total} {self._unit} ({share})"
        self._stream.write("  ".join(filter(None, [head, self._note(values)])) + "\n")
        self._stream.flush()


def _short(value: Any) -> str:
    return value if isinstance(value, str) else f"{float(value):.4g}"
