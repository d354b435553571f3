"""A scenario of two processes of four devices each, forked from one that has imported all.

``together.py FOLDER``: two processes train in ``FOLDER/0``, the second is
killed; then two start again, under the other strategy.  Writes the statuses
and the seconds from the kill to the end as JSON.
"""

import json
import os
import pathlib
import signal
import socket
import sys
import time

import jax
import toy

from pnag_jax.training import hosts

EPOCHS = 13


def give_up(error):
    print(error, file=sys.stderr, flush=True)
    os._exit(1)


def start(folder, port, number, strategy, pause):
    """Forks one process; returns its id and a pipe of its output."""
    read, write = os.pipe()
    child = os.fork()
    if child:
        os.close(write)
        return child, os.fdopen(read)
    os.dup2(write, 1)
    jax.config.update("jax_num_cpu_devices", 4)
    hosts.join(f"localhost:{port}", number, 2, seconds=60, seconds_to_miss=10, give_up=give_up)
    folder = folder / str(number)
    status = toy.train(folder, epochs=EPOCHS, pause=pause, strategy=strategy, devices=8)
    if status:
        os._exit(status)
    jax.distributed.shutdown()
    os._exit(0)


def pair(folder, strategy, pause=0.0):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    return [start(folder, port, number, strategy, pause) for number in (0, 1)]


def status(process):
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def main(folder):
    (leader, lines), (other, _) = pair(folder, "pmap", pause=0.1)
    while (line := lines.readline()) and line != "12\n":
        pass
    os.kill(other, signal.SIGKILL)
    begin = time.monotonic()
    killed = [status(leader), status(other)]
    seconds = time.monotonic() - begin
    resumed = [status(process) for process, _ in pair(folder, "mesh")]
    json.dump({"killed": killed, "seconds": seconds, "resumed": resumed}, sys.stdout)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
