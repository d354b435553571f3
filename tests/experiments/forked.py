"""Runs a list of command lines, each in a fork of one process that has imported all.

Reads a JSON list of ``[space, argument, ...]`` from standard input and writes
a JSON list of ``[status, standard error]``.
"""

import json
import os
import runpy
import sys
import tempfile

from experiments import pipeline  # noqa: F401


def run(space: str, arguments: list[str]) -> tuple[int, str]:
    with tempfile.TemporaryFile("w+") as stderr:
        child = os.fork()
        if child == 0:
            os.dup2(stderr.fileno(), 2)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            sys.argv = [f"{space}.py", *arguments]
            try:
                runpy.run_module(f"experiments.{space}", run_name="__main__", alter_sys=True)
                status = 0
            except SystemExit as end:
                status = int(end.code or 0)
            except BaseException:
                sys.excepthook(*sys.exc_info())
                status = 1
            sys.stderr.flush()
            os._exit(status)
        _, raw = os.waitpid(child, 0)
        stderr.seek(0)
        return os.waitstatus_to_exitcode(raw), stderr.read()


if __name__ == "__main__":
    print(json.dumps([run(space, arguments) for space, *arguments in json.load(sys.stdin)]))
