"""Scores architectures of a table without training, and compares with their accuracies.

    python -m experiments.proxies --benchmark=nb201 --count=1000 --workdir=W
    python -m experiments.proxies --benchmark=nb201 --proxies=synflow --dataset=noise \\
        --skeleton=channels=16,cells=5 --workdir=W2

``--dataset`` gives one batch of its training part: ``digits``, a folder of images, an
``.npz`` file, or ``noise`` (normal numbers, or uniform tokens) of the size that the
networks are made for.  The same ``--workdir`` resumes.

Leaves in the workdir: results.json (rank correlations of each proxy with every column
of the table) and table.npz, the scored rows with all their columns and the scores, so
that a proxy can be searched for:

    python -m experiments.compare --benchmark=W/table.npz --tasks=cifar10@200ep \\
        --search_metric=digits/synflow --workdir=W3

Exit status 2: a flag that is not accepted; 3: damaged data; 1: anything else.
"""

from __future__ import annotations

import functools
import shlex
import sys
from typing import Any

from absl import flags

from experiments import command, proxy_scores, skeletons
from pnag_jax import benchmarks, proxies
from pnag_jax.errors import UsageError
from pnag_jax.training import interrupts
from pnag_jax.training.workdir import Workdir

PROGRAM = "experiments.proxies"


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the program's flags."""
    text = functools.partial(flags.DEFINE_string, flag_values=values)
    number = functools.partial(flags.DEFINE_integer, flag_values=values)
    text("benchmark", None, "A table's name, or an .npz file.", required=True)
    text("benchmark_dir", None, "Folder of tables; or PNAG_BENCHMARK_DIR.")
    flags.DEFINE_list("proxies", list(proxies.names()), "Names of proxies.", flag_values=values)
    text("dataset", "digits", "digits, a folder of class folders, an .npz file, or noise.")
    text("skeleton", "", "FIELD=VALUE,... of what is around the searched part.")
    text("workdir", None, "Folder of the run; the same one resumes.", required=True)
    number("count", 1000, "Architectures, drawn from the table's; 0: all.", lower_bound=0)
    number("batch_size", 64, "Examples that are shown.", lower_bound=2, upper_bound=4096)
    number("seed", 0, "Of draws and of initial weights.", lower_bound=0, upper_bound=2**31 - 1)


def main(values: flags.FlagValues = flags.FLAGS) -> None:
    """Scores what the flags ask for, and prints the rank correlations."""
    with interrupts.watch() as interrupt:
        results = run(values, interrupt)
    sys.stdout.write(proxy_scores.as_text(results) + "\n")


def run(values: flags.FlagValues, interrupt: interrupts.Interrupt) -> dict[str, Any]:
    """The program; returns what ``results.json`` holds.

    Raises:
      UsageError: a flag that is not accepted; nothing was begun.
      DataError: the table or the data set is damaged.
      UserError, Interrupted: the system refuses a write; a signal came.
    """
    names = values.proxies
    if not names or len(set(names)) < len(names):
        raise UsageError(f"--proxies={','.join(names)}: accepted are one or more distinct names")
    plan = proxy_scores.make_plan(
        table=benchmarks.load(values.benchmark, values.benchmark_dir),
        proxies=tuple(map(proxies.get, names)),
        dataset=values.dataset,
        skeleton=skeletons.parse(values.skeleton),
        count=values.count,
        batch_size=values.batch_size,
        seed=values.seed,
    )
    environment = command.environment()
    fields = ("benchmark", "proxies", "dataset", "skeleton", "count", "batch_size", "seed")
    given = {name: values[name].value for name in fields}
    with Workdir(values.workdir, program=PROGRAM, config=given) as folder:
        words = shlex.join(["python", "-m", PROGRAM, *sys.argv[1:]])
        return proxy_scores.run(plan, folder, given, environment, words, interrupt)


if __name__ == "__main__":
    define_flags()
    command.run(main)
