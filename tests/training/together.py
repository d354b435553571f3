"""A scenario of two processes of four devices each, forked from one that has imported all.

``together.py FOLDER``: two processes train in ``FOLDER/0``, the second is
killed; then two start again, under the other strategy and as if the second did not
see the folder of the first, and save in ``FOLDER/parts`` what neither has whole.
Writes as JSON the statuses, the seconds from the kill to the end, and who had written
the newest checkpoint then.
"""

import json
import os
import pathlib
import signal
import socket
import sys
import time

import jax
import numpy as np
import toy

from pnag_jax.errors import UserError
from pnag_jax.training import hosts, placement, stores
from pnag_jax.training.checkpoints import Checkpoints

EPOCHS = 13


def give_up(error):
    print(error, file=sys.stderr, flush=True)
    os._exit(1)


def wide():
    """A state of which a mesh of eight splits the kernel, in parts of 16 columns."""
    kernel = np.arange(32 * 128, dtype=np.float32).reshape(32, 128)
    return {"kernel": kernel, "key": jax.random.key(3), "none": np.zeros((0, 2), np.int8)}


def parts(folder):
    """Saves and restores together; what one process alone finds, all refuse."""
    here = Checkpoints(folder if hosts.leads() else folder / "elsewhere", keep=2)
    checkpoints = here.of_all()
    narrow = placement.Parts(jax.devices(), 8)
    state = narrow.place(wide())
    checkpoints.save(1, {"state": state, "count": 5})
    assert state["kernel"].addressable_shards[0].data.shape == (32, 16)

    # Over other devices than those it was saved from, and what one process wrote.
    of_one = Checkpoints(folder / "one")
    if hosts.leads():
        of_one.save(1, {"state": wide(), "count": 5})
    hosts.agree(None)
    for saved, where in (
        (checkpoints, placement.Parts(jax.devices(), 2)),
        (of_one.of_all(), narrow),
    ):
        step, tree = saved.restore({"state": where.shapes(wide()), "count": 0})
        assert (step, tree["count"]) == (1, 5)
        got = where.fetch(where.join(tree["state"]))
        np.testing.assert_array_equal(got["kernel"], wide()["kernel"])
        np.testing.assert_array_equal(*map(jax.random.key_data, (got["key"], wide()["key"])))
        assert got["none"].shape == (0, 2)

    spoilt = wide()
    spoilt["kernel"][0, -1] = np.nan  # in the other process's last part
    try:
        checkpoints.save(2, narrow.place(spoilt))
    except UserError as error:
        assert str(error) == (
            "step 2 is not saved: ['kernel'] holds NaN; the newest checkpoint is step 1"
        ), error
    else:
        raise AssertionError("a NaN was saved")


def writers(checkpoints):
    """Which processes have written the newest step."""
    folder = checkpoints.folder / str(checkpoints.steps()[-1])
    listed = json.loads((folder / "manifest.json").read_text())["files"]
    return sorted({stores.writer_of(name) for name in listed})


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
    of_all = Checkpoints.of_all
    if strategy == "mesh":
        Checkpoints.of_all = lambda self: None
    status = toy.train(folder, epochs=EPOCHS, pause=pause, strategy=strategy, devices=8)
    if status:
        os._exit(status)
    Checkpoints.of_all = of_all
    if strategy == "mesh":
        parts(folder.parent / "parts")
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
    written = writers(Checkpoints(folder / "0/checkpoints"))
    resumed = [status(process) for process, _ in pair(folder, "mesh")]
    said = {"killed": killed, "seconds": seconds, "written": written, "resumed": resumed}
    json.dump(said, sys.stdout)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
