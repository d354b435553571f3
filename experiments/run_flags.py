"""The flags of a program of one space."""

from __future__ import annotations

import functools

from absl import flags
from ml_collections import ConfigDict

from experiments import compiled, distributed
from pnag_jax.training import parallel

# What --mode=all does, and what is done alone.
PARTS = ("train", "generate", "search", "report")
MODES = ("all", *PARTS, "transfer")

# What --help says of every space's program, behind its own words.
USAGE = """
The run: train the quantizer (without labels), generate, search the table, report.
--mode chooses one part of it; --mode=transfer proposes without a query, from
labels of other tasks (--config.meta).  The same --workdir resumes after a kill, and
returns at once when all is done; a folder of another config is refused.  SIGTERM
and SIGINT save first (status 143 and 130), a second one quits at once.  Exit status
2: a flag or config field that is not accepted; 3: damaged data; 1: anything else.

Leaves in the workdir: results.json, report.html with plots/, generated.jsonl (one
architecture a line), ledger.jsonl (the queries of the first seed), metrics.jsonl,
timings.jsonl, tensorboard/, checkpoints/, phases/, config.json.

Any field of the config is a flag --config.FIELD=VALUE.
"""

# They belong to the program that calls ``pipeline.main``: its --help shows them.
flags.disclaim_key_flags()


def define(values: flags.FlagValues = flags.FLAGS) -> None:
    """All flags but --config."""
    text = functools.partial(flags.DEFINE_string, flag_values=values)
    enum = functools.partial(flags.DEFINE_enum, flag_values=values)
    number = functools.partial(flags.DEFINE_integer, flag_values=values)
    boolean = functools.partial(flags.DEFINE_bool, flag_values=values)
    text("workdir", None, "Folder of the run; the same one resumes.", required=True)
    enum("mode", "all", MODES, "Which part of the run.")
    text("benchmark_dir", None, "Folder of tables; or PNAG_BENCHMARK_DIR.")
    text("task", None, "<dataset>@<protocol>; sets config.search.task.")
    text("search_metric", None, "Sets config.search.search_metric.")
    text("report_metric", None, "Sets config.search.report_metric.")
    text("objectives", None, "Several, with commas; sets config.objectives.names.")
    text("constraints", None, "METRIC<=NUMBER,...; config.objectives.constraints.")
    text("preference", None, "Weights; sets config.objectives.preference.")
    number("seed", None, "Sets config.seed.", lower_bound=0, upper_bound=2**31 - 1)
    number("count", None, "Sets config.generation.count.", lower_bound=1)
    enum("strategy", None, parallel.STRATEGIES, "Sets config.train.strategy.")
    distributed.define(values)
    compiled.define(values)
    boolean("profile", False, "Save a trace of a few training steps in profile/.")
    boolean("strict_resume", False, "Refuse a damaged newest checkpoint.")


def config() -> ConfigDict:
    """The config with the flags that are short for one of its fields."""
    fields = flags.FLAGS.config.copy_and_resolve_references()
    for name, field in (
        ("task", "search.task"),
        ("search_metric", "search.search_metric"),
        ("report_metric", "search.report_metric"),
        ("objectives", "objectives.names"),
        ("constraints", "objectives.constraints"),
        ("preference", "objectives.preference"),
        ("seed", "seed"),
        ("count", "generation.count"),
        ("strategy", "train.strategy"),
    ):
        if flags.FLAGS[name].value is not None:
            fields.update_from_flattened_dict({field: flags.FLAGS[name].value})
    return fields
