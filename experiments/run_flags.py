"""The flags of a program of one space."""

from __future__ import annotations

from absl import flags
from ml_collections import ConfigDict

from experiments import compiled, distributed
from pnag_jax.training import parallel

# What --mode=all does, and what is done alone.
PARTS = ("train", "generate", "search", "report")
MODES = ("all", *PARTS, "transfer")

# They belong to the program that calls ``pipeline.main``: its --help shows them.
flags.disclaim_key_flags()


def define() -> None:
    """All flags but --config."""
    flags.DEFINE_string("workdir", None, "Folder of the run; the same one resumes.", required=True)
    flags.DEFINE_enum("mode", "all", MODES, "Which part of the run.")
    flags.DEFINE_string("benchmark_dir", None, "Folder of tables; or PNAG_BENCHMARK_DIR.")
    flags.DEFINE_string("task", None, "<dataset>@<protocol>; sets config.search.task.")
    flags.DEFINE_string("search_metric", None, "Sets config.search.search_metric.")
    flags.DEFINE_string("report_metric", None, "Sets config.search.report_metric.")
    flags.DEFINE_string("objectives", None, "Several, with commas; sets config.objectives.names.")
    flags.DEFINE_string("constraints", None, "METRIC<=NUMBER,...; config.objectives.constraints.")
    flags.DEFINE_string("preference", None, "Weights; sets config.objectives.preference.")
    flags.DEFINE_integer("seed", None, "Sets config.seed.", lower_bound=0, upper_bound=2**31 - 1)
    flags.DEFINE_integer("count", None, "Sets config.generation.count.", lower_bound=1)
    flags.DEFINE_enum("strategy", None, parallel.STRATEGIES, "Sets config.train.strategy.")
    distributed.define()
    compiled.define()
    flags.DEFINE_bool("profile", False, "Save a trace of a few training steps in profile/.")
    flags.DEFINE_bool("strict_resume", False, "Refuse a damaged newest checkpoint.")


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
