"""Studies how the project scales: measured on local devices, compiled for a TPU pod without one.

    python -m experiments.scaling --topology=v5e:16x16 --workdir=runs/scaling

* measured: weak and strong scaling over the local devices of the training steps (stage 1, the
  prior, the surrogate), of the samplers and of population training.  A CPU is cut into
  simulated devices, which shows that the mechanism works and nothing about speed.
* compiled: the same programs, by the TPU compiler, for one chip and for all chips of a slice that
  need not exist, under ``pmap`` and ``mesh``.  It needs libtpu: ``pip install "pnag_jax[tpu]"``.
* ladder: priors from one million to one billion parameters, and what fits on a chip.

``docs/scaling.md`` tells how times are predicted.  The same ``--workdir`` resumes.
"""

from __future__ import annotations

import functools
import math
import re
import sys

from absl import flags

from experiments import command
from experiments.bench import population, programs
from experiments.scaling_study import cells, outcome, runner, topology
from experiments.scaling_study.topology import Slice
from pnag_jax import spaces
from pnag_jax.errors import UsageError
from pnag_jax.training.workdir import Workdir

PROGRAM = "experiments.scaling"


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the program's flags."""
    text = functools.partial(flags.DEFINE_string, flag_values=values)
    number = functools.partial(flags.DEFINE_integer, flag_values=values, lower_bound=1)
    text("workdir", None, "Folder of the study; the same one resumes.", required=True)
    text("topology", "v5e:16x16", "Slice that is compiled for: <generation>:<sides>.")
    text("space", "nb201", "Space whose models are studied.")
    flags.DEFINE_list(
        "parts", list(cells.PARTS), f"Of {', '.join(cells.PARTS)}.", flag_values=values
    )
    text("mesh", None, "Chips of a split state: <data>x<model>; 16 along model by default.")
    number("batch", 256, "Examples a step: a chip in weak scaling, in all in strong scaling.")
    number("stage1_batch", 1280, "As --batch, of stage 1, whose step is the shortest.")
    number("surrogate_batch", 64, "As --batch, of the surrogate, whose step is the longest.")
    number("samples", 32_768, "Architectures a call, a chip.")
    number("ladder_batch", None, "Examples a chip of the ladder's steps; each rung's own if None.")
    number("measured_batch", 64, "As --batch, where steps are measured on a CPU.")
    number("members", 8, "Architectures a device of population training.")
    number("devices", 2, "Simulated devices at most, where there is a CPU alone.")
    number("processes", 2, "Compilers side by side.")


def main(values: flags.FlagValues = flags.FLAGS) -> None:
    """Finds what is not known yet, and writes the tables and the page."""
    found = topology.parse(values.topology)
    if values.space not in spaces.names():
        raise UsageError(f"--space={values.space}: accepted are {', '.join(spaces.names())}")
    unknown = [part for part in values.parts if part not in cells.PARTS]
    if unknown or not values.parts:
        raise UsageError(f"--parts={','.join(values.parts)}: accepted are {', '.join(cells.PARTS)}")
    mesh = parse_mesh(values.mesh, found)
    cells.check_divides("batch", values.batch, [found.num_chips])
    cells.check_divides("stage1_batch", values.stage1_batch, [found.num_chips])
    library = None
    if {cells.COMPILED, cells.LADDER} & set(values.parts):
        library = topology.library_version()
    config = {
        "topology": found.name,
        "space": values.space,
        "mesh": list(mesh),
        "batch": values.batch,
        "stage1_batch": values.stage1_batch,
        "surrogate_batch": values.surrogate_batch,
        "samples": values.samples,
        "ladder_batch": values.ladder_batch,
        "measured_batch": values.measured_batch,
        "members": values.members,
    }
    with Workdir(values.workdir, program=PROGRAM, config=config) as workdir:
        job = {"topology": found.name, "space": values.space, "repeats": 7, "seconds": 0.05}
        environment = runner.prepare(workdir, job)
        plan = _measured(values, environment) if cells.MEASURED in values.parts else []
        most = max((cell.devices for cell in plan), default=1)
        devices = runner.simulated(most) if environment["backend"] == "cpu" else {}
        runner.run(workdir, plan, job, environment=devices, processes=1)
        compiled = _compiled(values, found, mesh)
        runner.run(
            workdir,
            cells.longest_first(compiled),
            job,
            environment=topology.ENVIRONMENT,
            processes=values.processes,
        )
        results = outcome.gather(
            [(cell, runner.result(workdir, cell)) for cell in [*plan, *compiled]],
            found,
            environment=environment,
            config=config | {"libtpu": library},
            arguments=["python", "-m", PROGRAM, *sys.argv[1:]],
        )
        outcome.write(workdir, results)
    sys.stdout.write(outcome.as_text(results) + "\n")


def _measured(values: flags.FlagValues, environment: dict) -> list[cells.Cell]:
    on_cpu = environment["backend"] == "cpu"
    counts = runner.measured_counts(environment, values.devices)
    batches = _batches(values)
    if on_cpu:
        cells.check_divides("measured_batch", values.measured_batch, counts)
        samples = min(values.samples, 8 * values.measured_batch)
        batches = dict.fromkeys(programs.TRAINING, values.measured_batch)
        batches |= {"generation": samples}
    if population.exists(values.space):
        cells.check_divides("members", values.members, counts)
        batches |= {programs.POPULATION: values.members}
    # Shares of one CPU tell of the mechanism, which strategies have in common.
    return cells.measured(counts, batches, compared=not on_cpu)


def _compiled(values: flags.FlagValues, found: Slice, mesh: tuple[int, int]) -> list[cells.Cell]:
    wanted: list[cells.Cell] = []
    if cells.COMPILED in values.parts:
        wanted += cells.compiled(found, _batches(values))
    if cells.LADDER in values.parts:
        wanted += cells.ladder(found, mesh, values.ladder_batch)
    return wanted


def _batches(values: flags.FlagValues) -> dict[str, int]:
    training = dict.fromkeys(programs.TRAINING, values.batch)
    training |= {"stage1": values.stage1_batch, "surrogate": values.surrogate_batch}
    return training | dict.fromkeys(programs.SAMPLING, values.samples)


def parse_mesh(given: str | None, found: Slice) -> tuple[int, int]:
    """Data x model of a flag, whose product is the number of chips.

    Raises:
      UsageError: it is written otherwise, or has another number of chips.
    """
    if given is None:
        model = math.gcd(found.num_chips, 16)
        return found.num_chips // model, model
    if not re.fullmatch(r"[1-9]\d*x[1-9]\d*", given):
        raise UsageError(f"--mesh={given}: accepted is <data>x<model>, for instance 16x16")
    data, model = (int(side) for side in given.split("x"))
    if data * model != found.num_chips:
        size = "larger" if data * model > found.num_chips else "smaller"
        raise UsageError(
            f"--mesh={given}: {size} than the {found.num_chips} devices of {found.name}; accepted"
            " are two numbers whose product they are"
        )
    return data, model


if __name__ == "__main__":
    define_flags()
    command.run(main)
