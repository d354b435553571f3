"""Speed of training steps: of stage 1, of the prior, and of populations of architectures."""

from __future__ import annotations

import functools
from typing import Any

import jax

from experiments.bench import costs, population, programs, timing
from experiments.bench.costs import Work
from experiments.bench.machine import Peaks
from experiments.bench.programs import Training
from experiments.bench.timing import Effort
from pnag_jax.generation import Generator
from pnag_jax.training import parallel


def measure(
    generator: Generator,
    peaks: Peaks,
    effort: Effort,
    *,
    batch_size: int = 256,
    steps: int = 10,
) -> list[dict[str, Any]]:
    """Times epochs of a few steps, all local devices together, compilation left out.

    Steps of stage 1 that are dispatched one by one are timed too: what they take
    more than those of an epoch is the cost of a dispatch.

    Args:
      generator: gives the models and the architectures to train on.
      peaks: of the machine.
      effort: how long.
      batch_size: over all devices; rounded down to what they divide.
      steps: of one dispatch.
    """
    devices = jax.local_device_count()
    batch_size = max(batch_size // devices, 1) * devices
    stage1, prior = (programs.training(name, generator) for name in ("stage1", "prior"))
    entries = []
    for work, rows in (
        (
            stage1,
            (
                *((f"training step, {name}", name, steps) for name in parallel.STRATEGIES),
                ("training step, one a dispatch", "pmap", 1),
            ),
        ),
        (prior, (("training step of the prior, pmap", "pmap", steps),)),
    ):
        state, data = work.create(jax.random.key(0)), work.batch(steps * batch_size)
        cost = _cost(work, batch_size)
        for name, strategy, count in rows:
            epoch = parallel.make_epoch(
                work.step, batch_size=batch_size, steps_per_epoch=count, strategy=strategy
            )
            timed = _time(epoch, state, data, effort)
            entries.append(
                timing.entry(
                    name,
                    timed,
                    count,
                    "step",
                    strategy=strategy,
                    batch_size=batch_size,
                    devices=devices,
                    roofline=costs.roofline(cost, peaks, timed.median / count),
                    xla=cost._asdict(),
                )
            )
    space = generator.model.space.name
    return entries + ([_population(space, effort)] if population.exists(space) else [])


def _population(space: str, effort: Effort, each: int = 8) -> dict[str, Any]:
    """Members that are trained at once; no roofline, since XLA counts all their branches."""
    devices = jax.local_devices()
    members = each * len(devices)
    timed = timing.measure(population.epoch(space, devices, members), effort)
    name, amount = "training step of a population, a member", population.STEPS * members
    return timing.entry(
        name, timed, amount, "step", strategy="pmap", members=members, devices=len(devices)
    )


def _time(epoch: parallel.Epoch, state: Any, data: Any, effort: Effort) -> timing.Timing:
    held = [epoch.place(state)]
    placed, key = epoch.place_data(data), jax.random.key(1)

    def call() -> Any:
        # The state is donated to the run, which gives back the next one.
        held[0], metrics = epoch.run(held[0], placed, key, 0)
        return held[0], metrics

    return timing.measure(call, effort)


def _cost(work: Training, batch_size: int) -> Work:
    """XLA's count of one step with the whole batch on one device."""
    step = functools.partial(work.step, axis_name=None)
    return costs.of_compiled(jax.jit(step).lower(*work.shapes(batch_size)).compile())
