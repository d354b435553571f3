"""A trace of a few training steps, by JAX's profiler."""

from __future__ import annotations

from typing import Any

import jax

from pnag_jax.training import files, hosts
from pnag_jax.training.parallel import Epoch

PyTree = Any

STEPS = 5


def trace(epoch: Epoch, state: PyTree, data: PyTree, key: jax.Array, folder: files.StrPath) -> None:
    """Runs ``STEPS`` steps on a copy of the state and saves what the devices did.

    Read by XProf (``xprof --logdir=<folder>``), and by ui.perfetto.dev
    (``plugins/profile/*/*.trace.json.gz``).

    Args:
      epoch: whose steps; the training is not changed.
      state: placed; stays whole.
      data: placed.
      key: of the run.
      folder: made where it is not there; of the leading process.

    Raises:
      UserError: the system refuses.
    """
    short = epoch.shortened(STEPS)
    copy, _ = jax.block_until_ready(short.run(short.place(short.fetch(state)), data, key, 0))
    if hosts.leads():
        with files.writing(folder):
            jax.profiler.start_trace(str(folder))
    try:
        jax.block_until_ready(short.run(copy, data, key, 1))
    finally:
        if hosts.leads():
            jax.profiler.stop_trace()
