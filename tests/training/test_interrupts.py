import os
import signal
import threading

import pytest

from pnag_jax.errors import UserError
from pnag_jax.training import interrupts


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_the_first_signal_only_sets_the_flag(number, status):
    before = {n: signal.getsignal(n) for n in interrupts.SIGNALS}
    with interrupts.watch() as interrupt:
        interrupt.check("nothing")
        assert not interrupt.requested
        os.kill(os.getpid(), number)
        assert interrupt.requested
        with pytest.raises(interrupts.Interrupted) as caught:
            interrupt.check("step 3 is saved")
    assert caught.value.exit_code == status
    assert isinstance(caught.value, UserError)
    assert str(caught.value) == (
        f"stopped by {number.name}: step 3 is saved; the same command resumes"
    )
    assert {n: signal.getsignal(n) for n in interrupts.SIGNALS} == before
    assert signal.set_wakeup_fd(-1) == -1


def test_other_signals_are_not_counted():
    seen = []
    old = signal.signal(signal.SIGUSR1, lambda *a: seen.append(1))
    try:
        with interrupts.watch() as interrupt:
            for _ in range(3):
                os.kill(os.getpid(), signal.SIGUSR1)
            os.kill(os.getpid(), signal.SIGTERM)
            assert interrupt.signum == signal.SIGTERM
    finally:
        signal.signal(signal.SIGUSR1, old)
    assert len(seen) == 3


def test_outside_the_main_thread_it_is_a_plain_flag():
    seen = []

    def work():
        with interrupts.watch() as interrupt:
            seen.append(interrupt.requested)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]
