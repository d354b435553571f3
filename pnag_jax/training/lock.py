"""One writer a folder: a lock that names its holder and outlives no process.

The lock is ``flock`` on a file, which the kernel drops when the holder dies.
The file also holds the process id, host and process start time.  They make
the message, and decide where ``flock`` cannot: on another host's file, and on
file systems without it.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import fcntl
import json
import os
import pathlib
import socket
import sys
from typing import Any

from pnag_jax.errors import UserError
from pnag_jax.training import files

_WITHOUT_FLOCK = (errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.ENOSYS)


class Lock:
    """An exclusive lock on ``path``, held from construction to :meth:`release`.

    Raises:
      UserError: another process holds it, named in the message; or the file
        cannot be written.
    """

    def __init__(self, path: pathlib.Path):
        self.path = path
        with files.writing(path):
            while True:
                self._descriptor = os.open(
                    path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644
                )
                try:
                    self._take()
                    # The last holder may have deleted the file since it was opened.
                    if _is_same_file(self._descriptor, path):
                        break
                except BaseException:
                    os.close(self._descriptor)
                    raise
                os.close(self._descriptor)
            text = json.dumps(_identity()).encode()
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, text, 0)
            os.fsync(self._descriptor)

    def release(self) -> None:
        """Deletes the file and gives the lock back; twice does nothing."""
        if self._descriptor < 0:
            return
        with contextlib.suppress(OSError):
            if _is_same_file(self._descriptor, self.path):
                os.unlink(self.path)
        os.close(self._descriptor)
        self._descriptor = -1

    def _take(self) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise self._held(self._holder()) from None
        except OSError as error:
            if error.errno not in _WITHOUT_FLOCK:
                raise
        holder = self._holder()
        if holder.get("host", socket.gethostname()) != socket.gethostname() or _is_alive(holder):
            raise self._held(holder)

    def _holder(self) -> dict[str, Any]:
        try:
            holder = json.loads(os.pread(self._descriptor, 4096, 0))
        except ValueError:  # empty or torn: its writer died before it could say who it is
            return {}
        return holder if isinstance(holder, dict) else {}

    def _held(self, holder: dict[str, Any]) -> UserError:
        def said(field: str) -> str:
            return str(holder.get(field, "unknown"))

        return UserError(
            f"{self.path.parent}: in use by process {said('pid')} on host {said('host')}"
            f" since {said('since')} ({said('program')});"
            f" if it no longer runs, delete {self.path}"
        )


def _identity() -> dict[str, Any]:
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "started": _start_time(os.getpid()),
        "since": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "program": pathlib.Path(sys.argv[0] or "python").name,
    }


def _is_alive(holder: dict[str, Any]) -> bool:
    """Whether the process that wrote ``holder`` on this host still runs, and is not this one."""
    pid = holder.get("pid")
    if not isinstance(pid, int) or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it runs, under another user
    started = _start_time(pid)
    # An id is used again, after a restart of the machine above all; a start time is not.
    return started is None or started == holder.get("started")


def _start_time(pid: int) -> str | None:
    """Boot and clock ticks since at which ``pid`` started; None where there is no /proc."""
    try:
        boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        # The name, in parentheses, may hold spaces; field 22 is counted from behind it.
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return f"{boot}:{fields[19]}"
    except (OSError, IndexError):
        return None


def _is_same_file(descriptor: int, path: pathlib.Path) -> bool:
    try:
        there = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(descriptor), there)
