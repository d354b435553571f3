import io
import time

import pytest

from pnag_jax.training.progress import Progress


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    return clock


def test_plain_lines_with_rate_and_time_left(clock):
    stream = io.StringIO()
    with Progress(stream=stream, every_seconds=10).task("train", 1000, done=200) as task:
        for done in range(300, 1001, 100):
            clock.now += 4
            task.update(done, loss=0.123456)
    # 100 steps in 4 s; the first update, with the compilation, is not in the rate.
    assert stream.getvalue().splitlines() == [
        "train 300/1000 steps (30%)  loss 0.1235",
        "train 600/1000 steps (60%)  25 steps/s  0:00:16 left  loss 0.1235",
        "train 900/1000 steps (90%)  25 steps/s  0:00:04 left  loss 0.1235",
        "train 1000/1000 steps (100%)  25 steps/s  0:00:00 left  loss 0.1235",
    ]


def test_a_terminal_gets_a_bar():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    stream = Terminal()
    with Progress(stream=stream).task("search", 10, unit="queries") as task:
        task.update(5)
        time.sleep(0.01)
        task.update(10, best="94.37")
    text = stream.getvalue()
    assert "search" in text and "10/10" in text and "queries/s" in text and "best 94.37" in text
    assert text.endswith("\x1b[?25h"), "the cursor is shown again"


def test_quiet_and_finished_show_nothing():
    stream = io.StringIO()
    for progress, done in ((Progress(quiet=True, stream=stream), 0), (Progress(stream=stream), 10)):
        with progress.task("train", 10, done=done) as task:
            task.update(10, loss=1.0)
    assert stream.getvalue() == ""
