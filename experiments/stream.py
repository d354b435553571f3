"""The best of a stream: generates up to billions, counts each architecture once, keeps the best.

    python -m experiments.stream --space=nb201 --count=1e9 --top=1000 --workdir=runs/stream

All local devices draw.  What is seen for the first time is rated: by a Gaussian process over
``--labels`` random measurements of ``--task`` (counted as queries), or, with ``--quality=params``
or ``flops``, by its cost, less being better, which needs no table.  Isomorphic architectures are
one.  Counting is exact while the distinct ones fit into ``--memory`` bytes; what finds no room is
told.  Leaves ``top.jsonl`` and ``results.json``; the same ``--workdir`` resumes.
"""

from __future__ import annotations

import functools
import math
import sys

import jax
from absl import flags

from experiments import command, streaming
from experiments.bench import generators
from pnag_jax import spaces
from pnag_jax.errors import UsageError
from pnag_jax.training import interrupts
from pnag_jax.training.workdir import Workdir

PROGRAM = "experiments.stream"

_MOST = 10**15


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the program's flags."""
    text = functools.partial(flags.DEFINE_string, flag_values=values)
    number = functools.partial(flags.DEFINE_integer, flag_values=values, lower_bound=1)
    text("workdir", None, "Folder of the run; the same one resumes.", required=True)
    text("space", "nb201", "Space that is generated.")
    text("count", "1e6", "Architectures in all, for instance 1e9; a longer run goes on.")
    number("top", 1000, "Of which so many are kept.")
    text("quality", "task", f"What counts: {', '.join(streaming.QUALITIES)}.")
    text("task", None, "<dataset>@<protocol>; the first of the space's table by default.")
    text("benchmark_dir", None, "Folder of tables; or PNAG_BENCHMARK_DIR.")
    number("labels", 256, "Measurements that the rating learns from.")
    text("memory", "2e9", "Bytes of the set of what was seen.")
    number("size", 131_072, "Architectures a device and round.")
    text("generator_workdir", None, "Finished run of experiments.<space>.")
    number("epochs", 2, "Of a generator that is trained here.")
    number("save_seconds", 60, "Between two saves.")
    flags.DEFINE_integer("seed", 0, "Decides everything random.", 0, 2**31 - 1, flag_values=values)


def main(values: flags.FlagValues = flags.FLAGS) -> None:
    """Streams, and prints what came of it."""
    if values.space not in spaces.names():
        raise UsageError(f"--space={values.space}: accepted are {', '.join(spaces.names())}")
    if values.quality not in streaming.QUALITIES:
        accepted = ", ".join(streaming.QUALITIES)
        raise UsageError(f"--quality={values.quality}: accepted are {accepted}")
    count, memory = whole("count", values.count), whole("memory", values.memory)
    space = spaces.get(values.space)
    names = ("space", "top", "quality", "task", "labels", "size", "generator_workdir", "epochs")
    config = {name: values[name].value for name in (*names, "seed")} | {"memory": memory}
    key_generator, key_labels, key_stream = jax.random.split(jax.random.key(values.seed), 3)
    with (
        interrupts.watch() as interrupt,
        Workdir(values.workdir, program=PROGRAM, config=config) as workdir,
    ):
        rating = streaming.rating(
            key_labels,
            space,
            values.quality,
            task_name=values.task,
            labels=values.labels,
            benchmark_dir=values.benchmark_dir,
        )
        if values.generator_workdir:
            generator, _ = generators.restore(space, values.generator_workdir)
        else:
            generator = generators.kept(
                key_generator, space, values.epochs, workdir.path / "generator"
            )
        results = streaming.run(
            workdir,
            key_stream,
            generator,
            rating,
            count=count,
            most=values.top,
            size=values.size,
            memory=memory,
            save_seconds=values.save_seconds,
            interrupt=interrupt,
        )
        arguments = ["python", "-m", PROGRAM, *sys.argv[1:]]
        workdir.write_json("results.json", results | {"command": arguments, "config": config})
    sys.stdout.write(streaming.as_text(results) + "\n")


def whole(flag: str, word: str) -> int:
    """A positive whole number, which may be written 1e9.

    >>> whole("count", "1e9")
    1000000000

    Raises:
      UsageError: it is none.
    """
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if not (1 <= value <= _MOST and value == int(value)):
        raise UsageError(f"--{flag}={word}: accepted are whole numbers from 1 to {_MOST:.0e}")
    return int(value)


if __name__ == "__main__":
    define_flags()
    command.run(main)
