"""Speed of training steps: stage 1 under both strategies, and one a dispatch."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from experiments.bench import costs, timing
from experiments.bench.costs import Work
from experiments.bench.machine import Peaks
from experiments.bench.timing import Effort
from pnag_jax.generation import Generator
from pnag_jax.models import stage1_step
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

    Steps that are dispatched one by one are timed too: what they take more
    than those of an epoch is the cost of a dispatch.

    Args:
      generator: gives the model and the architectures to train on.
      peaks: of the machine.
      effort: how long.
      batch_size: over all devices; rounded down to what they divide, and to
        the number of architectures.
      steps: of one dispatch.
    """
    model, data = generator.model, jnp.asarray(generator.genotypes)
    devices = jax.local_device_count()
    batch_size = max(min(batch_size, len(data)) // devices, 1) * devices
    steps = max(1, min(steps, len(data) // batch_size))
    optimizer = stage1_step.make_optimizer(num_steps=10_000)
    step = stage1_step.make_step(model, optimizer)
    state = stage1_step.create_state(jax.random.key(0), model, optimizer)
    work = _work(step, state, data[:batch_size])
    entries = []
    for name, strategy, count in (
        *((f"training step, {strategy}", strategy, steps) for strategy in parallel.STRATEGIES),
        ("training step, one a dispatch", "pmap", 1),
    ):
        epoch = parallel.make_epoch(
            step, batch_size=batch_size, steps_per_epoch=count, strategy=strategy
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
                roofline=costs.roofline(work, peaks, timed.median / count),
                xla=work._asdict(),
            )
        )
    return entries


def _time(epoch: parallel.Epoch, state: Any, data: jax.Array, effort: Effort) -> timing.Timing:
    held = [epoch.place(state)]
    placed, key = epoch.place_data(data), jax.random.key(1)

    def call() -> Any:
        # The state is donated to the run, which gives back the next one.
        held[0], metrics = epoch.run(held[0], placed, key, 0)
        return held[0], metrics

    return timing.measure(call, effort)


def _work(step: parallel.StepFn, state: Any, batch: jax.Array) -> Work:
    """XLA's count of one step with the whole batch on one device."""
    lowered = jax.jit(lambda s, b, k: step(s, b, k, None)).lower(state, batch, jax.random.key(0))
    return costs.of_compiled(lowered.compile())
