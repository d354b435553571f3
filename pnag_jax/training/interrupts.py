"""SIGTERM and SIGINT: the first asks for a save at the next boundary, the second quits at once.

Exit statuses: 143 after SIGTERM and 130 after SIGINT, whether the run ended by
:class:`Interrupted` after its save or at once after a second signal.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Iterator

from pnag_jax.errors import UserError
from pnag_jax.training import hosts

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Interrupted(UserError):
    """The run stopped because a signal asked for it; its work is saved.

    Attributes:
      exit_code: 128 + the number of the signal.
    """

    def __init__(self, signum: int, saved: str):
        super().__init__(
            f"stopped by {signal.Signals(signum).name}: {saved}; the same command resumes"
        )
        self.exit_code = 128 + signum


class Interrupt:
    """A flag that a signal raises; long work looks at it at its boundaries."""

    def __init__(self) -> None:
        self.signum: int | None = None

    @property
    def requested(self) -> bool:
        """Whether a signal has come."""
        return self.signum is not None

    def agree(self) -> None:
        """Makes a signal to one process one to all; all call this alike."""
        if hosts.count() > 1:
            self.signum = hosts.highest(self.signum or 0) or None

    def check(self, saved: str) -> None:
        """Stops the run if a signal has come; call it right after a save.

        Args:
          saved: what is safe, for the message: "step 120 is saved".

        Raises:
          Interrupted: a signal has come.
        """
        if self.signum is not None:
            raise Interrupted(self.signum, saved)


@contextlib.contextmanager
def watch() -> Iterator[Interrupt]:
    """Catches SIGTERM and SIGINT for the length of the block.

    The handler only sets the flag.  Python runs handlers between its own
    instructions, so one that counted signals would see nothing while the main
    thread waits for a device, and two signals as one.  A thread that reads
    the wake-up pipe, into which the C part of the interpreter writes every
    signal as it comes, therefore quits at the second.

    Outside the main thread no handler can be set: the flag is then never
    raised by a signal.
    """
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return

    def set_flag(signum: int, frame: object) -> None:
        interrupt.signum = interrupt.signum or signum

    receiver, sender = socket.socketpair()
    sender.setblocking(False)
    old_pipe = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
    watcher = threading.Thread(target=_quit_at_second, args=(receiver,), daemon=True)
    watcher.start()
    old_handlers = {number: signal.signal(number, set_flag) for number in SIGNALS}
    try:
        yield interrupt
    finally:
        for number, handler in old_handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(old_pipe)
        sender.close()
        watcher.join()
        receiver.close()


def _quit_at_second(receiver: socket.socket) -> None:
    count = 0
    while data := receiver.recv(64):
        for number in data:
            count += number in SIGNALS
            if count == 2:
                with contextlib.suppress(OSError):
                    if os.isatty(2):
                        os.write(2, b"\x1b[?25h\n")  # a progress bar hides the cursor
                os._exit(128 + number)
