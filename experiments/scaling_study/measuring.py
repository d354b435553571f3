"""One program timed on the devices of this machine."""

from __future__ import annotations

import itertools
from typing import Any

import jax

from experiments.bench import population, programs, timing
from experiments.bench.timing import Effort
from experiments.scaling_study import placing
from pnag_jax.generation import Generator
from pnag_jax.training import parallel

# Steps of one dispatch.
_STEPS = 4


def measure(
    name: str, generator: Generator, strategy: str, count: int, each: int, effort: Effort
) -> dict[str, Any]:
    """A cell of the study.

    Args:
      name: of ``programs.PROGRAMS``, or ``programs.POPULATION``.
      generator: gives model, data and tables.
      strategy: "pmap" or "mesh".
      count: the first so many local devices.
      each: examples, samples, or members of a population a device.
      effort: how long.

    Returns:
      ``seconds`` of a step or a call with quartiles, the ``rate`` in examples
      (steps of a member) a second, ``backend``, ``device_kind`` and ``simulated``: whether the
      devices are shares of one CPU.
    """
    devices = jax.local_devices()[:count]
    if name in programs.TRAINING:
        timed, steps = _time_steps(name, generator, strategy, devices, each, effort), _STEPS
    elif name == programs.POPULATION:
        call = population.epoch(generator.model.space.name, devices, each * count)
        timed, steps = timing.measure(call, effort), population.STEPS
    else:
        timed, steps = _time_sampler(name, generator, strategy, devices, each, effort), 1
    backend = jax.default_backend()
    return {
        **timing.entry("cell", timed, steps * each * count, "example"),
        "seconds": {key: getattr(timed, key) / steps for key in ("median", "q1", "q3")},
        "backend": backend,
        "device_kind": devices[0].device_kind,
        "simulated": backend == "cpu",
    }


def _time_steps(
    name: str, generator: Generator, strategy: str, devices: Any, each: int, effort: Effort
) -> timing.Timing:
    work = programs.training(name, generator)
    batch_size = each * len(devices)
    epoch = parallel.make_epoch(
        work.step,
        batch_size=batch_size,
        steps_per_epoch=_STEPS,
        strategy=strategy,
        devices=devices,
    )
    held = [epoch.place(work.create(jax.random.key(0)))]
    data, key = epoch.place_data(work.batch(_STEPS * batch_size)), jax.random.key(1)

    def call() -> Any:
        # The state is donated to the run, which gives back the next one.
        held[0], metrics = epoch.run(held[0], data, key, 0)
        return held[0], metrics

    return timing.measure(call, effort)


def _time_sampler(
    name: str, generator: Generator, strategy: str, devices: Any, each: int, effort: Effort
) -> timing.Timing:
    sample = placing.sample(programs.sampler(name, generator), strategy, devices, each)
    keys = itertools.cycle(
        [jax.random.split(jax.random.key(seed), len(devices)) for seed in range(16)]
    )
    return timing.measure(lambda: sample(next(keys)), effort)
