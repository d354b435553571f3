"""Two processes of a run, for which threads stand."""

from __future__ import annotations

import threading

import jax
import pytest

from pnag_jax.training import hosts
from pnag_jax.training.interrupts import Interrupted


@pytest.fixture
def two(monkeypatch):
    """Runs a function as two processes do, each given its number; returns what they return."""
    mine, meeting, said = threading.local(), threading.Barrier(2, timeout=60), [None, None]

    def exchange(value):
        said[mine.index] = value
        meeting.wait()
        both = list(said)
        meeting.wait()
        return both

    def gathered(tree):
        both = exchange(tree)
        shapes = [[(x.shape, x.dtype) for x in jax.tree.leaves(each)] for each in both]
        assert shapes[0] == shapes[1]
        return both

    def index():
        return getattr(mine, "index", 0)

    def run(function):
        results = [None, None]

        def work(number):
            mine.index = number
            try:
                results[number] = function(number)
            except BaseException as error:
                results[number] = error
                if not isinstance(error, Interrupted):
                    meeting.abort()

        threads = [threading.Thread(target=work, args=(number,)) for number in (0, 1)]
        with monkeypatch.context() as patch:
            patch.setattr(hosts, "count", lambda: 2)
            patch.setattr(hosts, "index", index)
            patch.setattr(hosts, "gathered", gathered)
            patch.setattr(hosts, "told", lambda tree: gathered(tree)[0])
            patch.setattr(hosts, "highest", lambda number: max(exchange(number)))
            patch.setattr(hosts, "texts", exchange)
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        return results

    return run
