"""TensorBoard event files that can be cut back to a step.

The record and protocol-buffer parts are tensorboardX's.  Its ``SummaryWriter``
writes from a thread whose queue a flush does not empty, so what was logged
before a checkpoint could be lost with a kill; here every write is synchronous.
"""

from __future__ import annotations

import os
import pathlib
import socket
import struct
import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from tensorboardX import summary
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.record_writer import RecordWriter, masked_crc32c

from pnag_jax.training import files

_HEADER = struct.Struct("<QI")  # length of the data, checksum of the length


class EventWriter:
    """Scalars for TensorBoard in ``folder``, one file for each life of a run."""

    def __init__(self, folder: pathlib.Path):
        """Writes into ``folder``, which is made at the first write."""
        self.folder = folder
        self._writer: RecordWriter | None = None

    def write(self, step: int, values: Mapping[str, Any]) -> None:
        """Adds the numbers among ``values``; an array becomes one scalar an element.

        Raises:
          UserError: the system refuses.
        """
        scalars = [summary.scalar(tag, number).value[0] for tag, number in _scalars(values)]
        if scalars:
            self._append(Event(step=step, summary=summary.Summary(value=scalars)))

    def truncate(self, step: int) -> None:
        """Drops all events after ``step``, and torn ones at the end of a file.

        Raises:
          UserError: the system refuses.
        """
        self.close()
        for path in event_files(self.folder):
            with files.writing(path):
                end = 0
                for event, end_of_event in _records(path.read_bytes()):
                    if event.step > step:
                        break
                    end = end_of_event
                if end < path.stat().st_size:
                    os.truncate(path, end)

    def flush(self) -> None:
        """Makes durable what was written.

        Raises:
          UserError: the system refuses.
        """
        if self._writer is not None:
            with files.writing(self._writer.path):
                self._writer.flush()

    def close(self) -> None:
        """Flushes and closes; a later write opens a new file."""
        if self._writer is not None:
            writer, self._writer = self._writer, None
            with files.writing(writer.path):
                writer.close()

    def _append(self, event: Event) -> None:
        event.wall_time = time.time()
        with files.writing(self.folder):
            if self._writer is None:
                self.folder.mkdir(parents=True, exist_ok=True)
                self._writer = RecordWriter(str(self._new_path()))
                first = Event(wall_time=event.wall_time, file_version="brain.Event:2")
                self._writer.write(first.SerializeToString())
            self._writer.write(event.SerializeToString())

    def _new_path(self) -> pathlib.Path:
        # TensorBoard reads the files of a folder in the order of their names.
        number = len(event_files(self.folder))
        name = f"events.out.tfevents.{int(time.time()):010d}.{number:03d}.{socket.gethostname()}"
        return self.folder / name


def event_files(folder: pathlib.Path) -> list[pathlib.Path]:
    """The event files of ``folder``, oldest first."""
    return sorted(p for p in folder.glob("events.out.tfevents.*") if not p.is_symlink())


def read_scalars(folder: pathlib.Path) -> list[tuple[int, str, float]]:
    """All ``(step, tag, value)`` of a folder of event files, in the order written.

    A torn end of a file is left out.
    """
    return [
        (event.step, value.tag, value.simple_value)
        for path in event_files(folder)
        for event, _ in _records(path.read_bytes())
        for value in event.summary.value
    ]


def _records(data: bytes) -> Iterator[tuple[Event, int]]:
    """Whole events and the offsets where they end, up to the first torn one."""
    start = 0
    while start + _HEADER.size <= len(data):
        length, checksum = _HEADER.unpack_from(data, start)
        body = start + _HEADER.size
        end = body + length + 4
        if checksum != masked_crc32c(data[start : start + 8]) or end > len(data):
            return
        event = data[body : body + length]
        if struct.unpack_from("<I", data, body + length)[0] != masked_crc32c(event):
            return
        yield Event.FromString(event), end
        start = end


def _scalars(values: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for tag, value in values.items():
        array = np.asarray(value)
        if value is None or array.dtype.kind not in "biufV":
            continue
        if array.ndim == 0:
            yield tag, float(array)
        else:
            for i, number in enumerate(array.ravel()):
                yield f"{tag}/{i}", float(number)
