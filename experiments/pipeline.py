"""The run of one space: train, generate, search, report."""

from __future__ import annotations

import functools
import pathlib
import sys
from typing import Any, NoReturn

from absl import flags
from ml_collections import ConfigDict

import configs
from experiments import (
    command,
    compiled,
    distributed,
    outcome,
    run_flags,
    settings,
    stages,
    transferring,
)
from experiments import plan as plans
from pnag_jax import spaces
from pnag_jax.training import hosts, interrupts
from pnag_jax.training.interrupts import Interrupt
from pnag_jax.training.workdir import Workdir

# Groups that the phase which reads them fixes, when it begins.
# "mesh" changes where numbers are, not which.
_MAY_CHANGE = ("search", "generation", "objectives", "prior", "ask", "meta", "transfer", "mesh")

# The flags belong to the program that calls ``main``: its --help shows them.
flags.disclaim_key_flags()


def main(space_name: str) -> NoReturn:
    """The program ``experiments.<space_name>``."""
    run_flags.define()
    program = sys.modules["__main__"]
    # What absl prints for --help.
    program.__doc__ = f"{program.__doc__ or ''}{run_flags.USAGE}"
    default = pathlib.Path(configs.__path__[0]) / f"{space_name}.py"
    command.run(functools.partial(_main, space_name), config=str(default))


def _main(space_name: str) -> None:
    compiled.use(flags.FLAGS.compilation_cache)
    distributed.join(flags.FLAGS)
    with hosts.together(), interrupts.watch() as interrupt:
        run(
            space_name,
            run_flags.config(),
            flags.FLAGS.workdir,
            mode=flags.FLAGS.mode,
            benchmark_dir=flags.FLAGS.benchmark_dir,
            strict_resume=flags.FLAGS.strict_resume,
            profile=flags.FLAGS.profile,
            interrupt=interrupt,
        )


def run(
    space_name: str,
    config: ConfigDict,
    workdir: str,
    *,
    mode: str = "all",
    benchmark_dir: str | None = None,
    strict_resume: bool = False,
    profile: bool = False,
    interrupt: Interrupt | None = None,
) -> dict[str, Any]:
    """Does what is not done yet.

    Args:
      space_name: which space.
      config: from ``configs/<space>.py``.
      workdir: the folder of the run; the same one resumes.
      mode: one of ``run_flags.MODES``.  "generate" and "search" need a trained generator;
        each ends with a report of what there is.
      benchmark_dir: folder of tables.
      strict_resume: refuse a damaged newest checkpoint.
      profile: save a profiler's trace of a few steps of every training.
      interrupt: flag of a signal.

    Returns:
      What ``results.json`` holds; nothing on a process that does not lead.

    Raises:
      UsageError: a field, task or metric that is not accepted, or a folder of
        another run; nothing was begun.
      UserError, DataError, Interrupted: as ``stage1.train_generator``.
    """
    space = spaces.get(space_name)
    settings.check(config, space)
    environment = command.environment()
    program = f"experiments.{space_name}"
    distributed.require_same(program, mode, config.to_dict())
    plan = plans.settle(space_name, config, mode, benchmark_dir)
    interrupt = interrupt or Interrupt()
    with (
        distributed.folder(workdir) as path,
        Workdir(path, program=program, config=config.to_dict(), may_change=_MAY_CHANGE) as folder,
    ):
        if plan.transfer is None:
            steps = stages.Stages(
                config,
                folder,
                plan,
                strict_resume=strict_resume,
                profile=profile,
                interrupt=interrupt,
            )
            steps.do()
        elif hosts.leads():
            transferring.propose(config, plan.transfer, folder.path, interrupt)
        if not hosts.leads():
            return {}
        return outcome.report(folder, space_name, config, environment)
