"""How long this process has run."""

from __future__ import annotations

import os
import pathlib
import time

_IMPORTED = time.monotonic()


def seconds_since_start() -> float:
    """Seconds since the system started this process; since this import, where it does not tell."""
    try:
        # The name, in parentheses, may hold spaces; field 22 is counted from behind it.
        fields = pathlib.Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        started = int(fields[19]) / os.sysconf("SC_CLK_TCK")
        return time.clock_gettime(time.CLOCK_BOOTTIME) - started
    except (OSError, AttributeError, IndexError, ValueError):
        return time.monotonic() - _IMPORTED
