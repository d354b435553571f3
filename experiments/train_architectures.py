"""Trains architectures on real images, many at once, and writes a benchmark table.

    python -m experiments.train_architectures --space=nb201 --dataset=digits \\
        --archs=generated:64 --skeleton=channels=4,cells=1 --workdir=W

``--archs`` is ``generated:N`` (by a generator trained in ``W/generator`` without
labels, or that of ``--generator_workdir``), ``random:N``, ``transfer:N`` (what
the measurements of other tasks, ``--meta`` of the space's published table, propose
without a training), ``all`` (one of each isomorphism class), a file with an
architecture a line, or strings with ``;`` between them.  ``--dataset`` is
``digits``, a folder with a folder of images a class, or an ``.npz`` file with
``images`` and ``labels``.

Every architecture is trained ``--seeds`` times; its outcome depends on it and the
seed alone, not on what trains beside it.  Validation accuracy ranks, test
accuracy is only told.  The same ``--workdir`` resumes after a kill.  Several processes
(``--distributed``) train as one, each on its own devices.

Leaves in the workdir: table.npz (a table for any program's --benchmark, written
after every group), results.json, report.html, metrics.jsonl, timings.jsonl,
tensorboard/, checkpoints/, config.json.  Exit status 2: a flag that is not
accepted; 3: damaged data; 1: anything else.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags
from ml_collections import config_flags

from experiments import (
    architectures,
    command,
    distributed,
    proposed,
    real_training,
    skeletons,
    training_outcome,
    transferring,
)
from experiments.command import say
from pnag_jax import datasets, networks, spaces
from pnag_jax.errors import UsageError, UserError
from pnag_jax.networks.recipe import Recipe
from pnag_jax.training import hosts, interrupts
from pnag_jax.training.progress import Progress
from pnag_jax.training.workdir import Workdir

PROGRAM = "experiments.train_architectures"


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the program's flags."""
    text = functools.partial(flags.DEFINE_string, flag_values=values)
    number = functools.partial(flags.DEFINE_integer, flag_values=values)
    text("space", None, "The search space.", required=True)
    text("dataset", "digits", "digits, a folder of class folders, or an .npz file.")
    text("archs", None, architectures.FORMS, required=True)
    text("workdir", None, "Folder of the run; the same one resumes.", required=True)
    text("skeleton", "", "FIELD=VALUE,... of what is around the searched part.")
    text("generator_workdir", None, "Run of experiments.<space> to generate with.")
    text("meta", None, "Of --archs=transfer:N: others (all), a data set, a file of triples.")
    text("benchmark_dir", None, "Folder of tables; or PNAG_BENCHMARK_DIR.")
    config_flags.DEFINE_config_file(
        "config", None, "The generator's config; configs/<space>.py by default.", values
    )
    number("seed", 0, "Of the run.", lower_bound=0, upper_bound=2**31 - 1)
    number("seeds", 1, "Trainings of each architecture.", lower_bound=1, upper_bound=1000)
    number("group", 64, "Trainings in one program.", lower_bound=1, upper_bound=65536)
    number("cpu_devices", 0, "Devices that CPU cores make; 0: one a core.", lower_bound=0)
    flags.DEFINE_bool(
        "one_at_a_time", False, "Compile each architecture by itself.", flag_values=values
    )
    distributed.define(values)
    flags.DEFINE_bool(
        "strict_resume", False, "Refuse a damaged newest checkpoint.", flag_values=values
    )
    kinds: dict[type, Any] = {
        int: flags.DEFINE_integer,
        float: flags.DEFINE_float,
        bool: flags.DEFINE_bool,
    }
    for field in dataclasses.fields(Recipe):
        define = kinds[type(field.default)]
        define(field.name, field.default, "Of the training recipe.", flag_values=values)


def main(values: flags.FlagValues = flags.FLAGS) -> None:
    """Trains what the flags ask for."""
    _use_cores(values.cpu_devices)
    distributed.join(values)
    with hosts.together(), interrupts.watch() as interrupt:
        run(values, interrupt)


def run(values: flags.FlagValues, interrupt: interrupts.Interrupt) -> dict[str, Any]:
    """The program; returns what ``results.json`` holds, nothing where it does not lead.

    Raises:
      UsageError: a flag that is not accepted; nothing was begun.
      DataError: the data set or a file of architectures is damaged.
      UserError, Interrupted: as ``real_training.run``.
    """
    if values.space not in networks.names():
        raise UsageError(
            f"--space={values.space}: has no networks; accepted are {', '.join(networks.names())}"
        )
    space = spaces.get(values.space)
    asked = architectures.read(values.archs, space)
    chosen: Any = {field.name: values[field.name].value for field in dataclasses.fields(Recipe)}
    recipe = Recipe(**chosen)
    skeleton = skeletons.parse(values.skeleton)
    data = datasets.load(values.dataset)
    # Before a generator is trained: a field that does not exist should not cost minutes.
    _check_network(space, data, skeleton)
    environment = command.environment()
    images = [(part.images, part.labels) for part in (data.train, data.valid, data.test)]
    hosts.require_same(images, "the images that are trained on")
    given = {
        **{name: values[name].value for name in ("space", "dataset", "archs", "seed", "seeds")},
        **{name: values[name].value for name in ("group", "one_at_a_time", "generator_workdir")},
        "skeleton": skeleton,
        "recipe": dataclasses.asdict(recipe),
        "config": None if values.config is None else values.config.to_dict(),
    }
    if asked.kind == "transfer":
        given["meta"] = values.meta or transferring.OTHERS
    distributed.require_same(PROGRAM, "", given)
    key_archs, _ = jax.random.split(jax.random.key(values.seed))
    progress = Progress(quiet=not hosts.leads())
    with (
        distributed.folder(values.workdir) as path,
        Workdir(path, program=PROGRAM, config=given) as folder,
    ):
        generator = functools.partial(
            architectures.generator,
            space,
            config=values.config,
            generator_workdir=values.generator_workdir,
            workdir_path=folder.path,
            seed=values.seed,
            interrupt=interrupt,
            progress=progress,
        )
        genotypes = (
            proposed.make(
                asked.number,
                space,
                config=values.config,
                meta=values.meta,
                benchmark_dir=values.benchmark_dir,
                workdir_path=folder.path,
                seed=values.seed,
                interrupt=interrupt,
            )
            if asked.kind == "transfer"
            else architectures.make_alike(
                asked,
                space,
                key=key_archs,
                generator=generator,
                trained=architectures.is_trained(values.generator_workdir, folder.path),
            )
        )
        plan = real_training.Plan(
            space_name=space.name,
            genotypes=genotypes,
            seeds=tuple(range(values.seed, values.seed + values.seeds)),
            data=data,
            recipe=recipe,
            skeleton=skeleton,
            group=values.group,
            together=networks.has_population(space.name) and not values.one_at_a_time,
        )
        say(
            f"{len(plan.genotypes)} architectures, {values.seeds} times each, in"
            f" {len(plan.groups)} programs: {data.name} has {len(data.train.labels)} images to"
            f" train on, {len(data.valid.labels)} to validate, {len(data.test.labels)} to test"
        )
        # Without the folder: the table is the same in any.
        words = ["python", "-m", PROGRAM, *(w for w in sys.argv[1:] if "workdir=" not in w)]
        write = functools.partial(training_outcome.write_table, plan, folder, words)
        found = real_training.run(
            plan,
            folder.path,
            interrupt=interrupt,
            progress=progress,
            strict_resume=values.strict_resume,
            after_group=write,
        )
        if not hosts.leads():
            return {}
        write(found)
        return training_outcome.report(plan, found, folder, given, environment)


def _check_network(space: spaces.Space, data: datasets.Dataset, skeleton: dict[str, Any]) -> None:
    """Refuses a skeleton, or a space whose networks do not take such images."""
    genotype = np.asarray(space.sample(jax.random.key(0), 1)[0])
    network = networks.build(space.name, genotype, data.num_classes, **skeleton)
    image = jax.ShapeDtypeStruct((2, *data.image_shape), jnp.float32)
    try:
        jax.eval_shape(network.init, jax.random.key(0), image)
    except UserError:
        raise
    # Whatever a module makes of a shape that it was not written for.
    except Exception as error:
        height, width, channels = data.image_shape
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UsageError(
            f"--space={space.name}: its networks do not take images of {height} x {width} x"
            f" {channels}: {reason}"
        ) from error


def _use_cores(count: int) -> None:
    """Makes a device of each core of a CPU; before JAX begins."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    # A power of two divides the batches of generators.
    jax.config.update("jax_num_cpu_devices", count or 2 ** (cores.bit_length() - 1))


if __name__ == "__main__":
    define_flags()
    command.run(main)
