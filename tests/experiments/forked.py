"""Runs command lines, each in a fork of one process that has imported all.

Reads a JSON list of groups from standard input, each a list of
``[program, argument, ...]`` that run side by side, and writes a JSON list of
``[status, standard error]``.
"""

import json
import os
import runpy
import sys
import tempfile
import types
from typing import IO

import jax

from experiments import pipeline, train_architectures  # noqa: F401
from tests.experiments import small_training

# A start does not wait for what is used behind a training, or never.
assert not {"matplotlib", "orbax", "optuna", "sklearn"} & set(sys.modules)


def start(space: str, arguments: list[str]) -> tuple[int, IO[str]]:
    stderr = tempfile.TemporaryFile("w+")  # noqa: SIM115
    child = os.fork()
    if child:
        return child, stderr
    os.dup2(stderr.fileno(), 2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    # No pages are drawn: other tests look at them.
    sys.modules["pnag_jax.reports"] = types.SimpleNamespace(write=lambda *_: None)
    if space == "train_architectures":
        small_training.use_toys(setattr, *arguments)
    sys.argv = [f"{space}.py", *arguments]
    try:
        runpy.run_module(f"experiments.{space}", run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as end:
        status = int(end.code or 0)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    if status == 0 and jax.distributed.is_initialized():
        jax.distributed.shutdown()  # as the end of an interpreter does: it waits for the others
    sys.stderr.flush()
    os._exit(status)


def run(group: list[list[str]]) -> list[tuple[int, str]]:
    started = [start(space, arguments) for space, *arguments in group]
    ended = []
    for child, stderr in started:
        _, raw = os.waitpid(child, 0)
        stderr.seek(0)
        ended.append((os.waitstatus_to_exitcode(raw), stderr.read()))
        stderr.close()
    return ended


if __name__ == "__main__":
    print(json.dumps([ended for group in json.load(sys.stdin) for ended in run(group)]))
