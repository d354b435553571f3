"""Measures speeds: generation, training steps and search rounds, beside the machine's peaks.

    python -m experiments.benchmark --json=speeds.json
    python -m experiments.benchmark --json=new.json --against=speeds.json

Times are medians with quartiles, compilation left out.  The generator is that
of ``--generator_workdir``, or else one trained for a few epochs: its tables are
of the same form and about the same size as those of a full training.
"""

from __future__ import annotations

import functools
import pathlib
import sys
from collections.abc import Sequence

import jax
from absl import flags

from experiments import command, searching
from experiments.bench import generators, report, suite
from experiments.bench.timing import LEAST_REPEATS, Effort
from pnag_jax import methods, spaces
from pnag_jax.errors import UsageError
from pnag_jax.training import files

_BATCHES = ["1024", "8192", "131072"]


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the program's flags."""
    text = functools.partial(flags.DEFINE_string, flag_values=values)
    words = functools.partial(flags.DEFINE_list, flag_values=values)
    number = functools.partial(flags.DEFINE_integer, flag_values=values, lower_bound=1)
    text("json", None, "File that the measurements go to.", required=True)
    text("space", "nb201", "Space that is generated and searched.")
    text("against", None, "File of an earlier run to compare with.")
    flags.DEFINE_alias("compare", "against", flag_values=values)
    text("generator_workdir", None, "Finished run of experiments.<space>.")
    number("epochs", 2, "Of the generator that is trained here.")
    words("parts", list(suite.PARTS), "What is measured, beside the machine.")
    words("batches", _BATCHES, "Architectures a call of generation, beside 1.")
    words("methods", None, "Search methods; all that are installed by default.")
    number("repeats", LEAST_REPEATS, f"Of each time; at least {LEAST_REPEATS}.")
    number("seeds", 20, "Searches side by side.")
    number("budget", 192, "Queries that the archives hold.")
    flags.DEFINE_float(
        "seconds", 0.1, "Least length of a repeat.", lower_bound=0.0, flag_values=values
    )


def main(values: flags.FlagValues = flags.FLAGS) -> None:
    """Measures what the flags ask for, writes the file and prints the tables."""
    space = spaces.get(_one_of("space", [values.space], spaces.names())[0])
    parts = _one_of("parts", values.parts, suite.PARTS)
    names = _one_of("methods", values.methods or searching.default_methods(), methods.names())
    batches = tuple(_count("batches", word) for word in values.batches)
    path = pathlib.Path(values.json)
    if not path.parent.is_dir() or path.is_dir():
        raise UsageError(f"--json={path}: accepted is a file in a folder that is there")
    # Read first: a file that cannot be compared with should not cost minutes.
    earlier = report.read(values.against) if values.against else None
    if values.repeats < LEAST_REPEATS:
        raise UsageError(f"--repeats={values.repeats}: accepted are {LEAST_REPEATS} and more")
    environment = command.environment()
    if values.generator_workdir:
        generator, source = generators.restore(space, values.generator_workdir)
    else:
        generator, source = generators.train(jax.random.key(0), space, values.epochs)
    results = suite.run(
        generator,
        parts=parts,
        batches=batches,
        method_names=names,
        effort=Effort(values.repeats, values.seconds),
        seeds=values.seeds,
        budget=values.budget,
    )
    results = {
        "version": report.VERSION,
        "program": report.PROGRAM,
        "command": ["python", "-m", report.PROGRAM, *sys.argv[1:]],
        "environment": environment,
        "generator": source,
        **results,
    }
    results["comparison"] = None if earlier is None else report.compare(earlier, results)
    results["circumstances"] = None if earlier is None else report.circumstances(earlier, results)
    files.write_json(path, results)
    sys.stdout.write(report.as_text(results) + "\n")


def _one_of(flag: str, given: Sequence[str], accepted: Sequence[str]) -> list[str]:
    wrong = [name for name in given if name not in accepted]
    if wrong or not given:
        raise UsageError(f"--{flag}={','.join(given)}: accepted are {', '.join(accepted)}")
    return list(given)


def _count(flag: str, word: str) -> int:
    if not word.isdecimal() or not 1 <= int(word) <= 10_000_000:
        raise UsageError(f"--{flag}: {word!r}; accepted are numbers from 1 to 10000000")
    return int(word)


if __name__ == "__main__":
    define_flags()
    command.run(main)
