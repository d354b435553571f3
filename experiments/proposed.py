"""Architectures that measurements of other tasks propose for one that no table has."""

from __future__ import annotations

import os

import numpy as np
from ml_collections import ConfigDict

from experiments import architectures, knowledge, transferring
from pnag_jax import benchmarks
from pnag_jax.errors import UsageError
from pnag_jax.spaces import Space
from pnag_jax.training.interrupts import Interrupt


def make(
    number: int,
    space: Space,
    *,
    config: ConfigDict | None,
    meta: str | None,
    benchmark_dir: str | os.PathLike[str] | None,
    workdir_path: str | os.PathLike[str],
    seed: int,
    interrupt: Interrupt,
) -> np.ndarray:
    """The best by a surrogate of other tasks, on all processes the same: int32 ``[n, L]``.

    Nothing is known of the task itself.  What the surrogate is trained on is the
    published table of the space; the proposals are architectures of it.  Made once
    a run.

    Args:
      number: how many.
      space: of them.
      config: its ``transfer`` is used; ``configs/<space>.py`` by default.
      meta: as ``config.meta``; every data set of the table by default.
      benchmark_dir: folder of tables.
      workdir_path: folder of the run.
      seed: of the training.
      interrupt: flag of a signal.

    Raises:
      UsageError: no table of the space, no such source, or fewer than ``number``.
      UserError: the system refuses a write.
      DataError: a damaged file.
      Interrupted: a signal came.
    """
    table = benchmarks.load(space.name, benchmark_dir)
    if number > len(table.genotypes):
        raise UsageError(
            f"--archs=transfer:{number}: table {table.name} has {len(table.genotypes):,}"
        )
    if config is None:
        config = architectures.default_config(space)
    config = config.copy_and_resolve_references()
    config.update({"meta": meta, "seed": seed})
    plan = transferring.for_unseen(config, table, benchmark_dir)
    found = knowledge.start(config, plan, workdir_path, interrupt, count=number, together=True)
    return found.genotypes
