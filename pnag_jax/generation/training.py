"""Training a generator in memory: one call, no files.

The binaries train with checkpoints and logs instead; both run the same steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pnag_jax.generation import generator as generators
from pnag_jax.generation.dataset import split
from pnag_jax.generation.generator import Generator
from pnag_jax.models import stage1_step
from pnag_jax.models.stage1 import Stage1, Variables
from pnag_jax.spaces import Space
from pnag_jax.training import parallel
from pnag_jax.training.state import TrainState


def train_variables(
    key: jax.Array,
    model: Stage1,
    genotypes: np.ndarray,
    *,
    num_epochs: int = 12,
    batch_size: int = 256,
    learning_rate: float = 3e-3,
) -> Variables:
    """Trains stage 1 on one device.

    Args:
      key: consumed.
      model: static.
      genotypes: int ``[M, L]``; fewer than ``batch_size`` make one batch.
      num_epochs: passes over them.
      batch_size: as named.
      learning_rate: of the first step; the paper trains longer at 1e-4.
    """
    batch_size = min(batch_size, len(genotypes))
    optimizer = stage1_step.make_optimizer(
        learning_rate=learning_rate, num_steps=num_epochs * (len(genotypes) // batch_size)
    )
    key_init, key_run = jax.random.split(key)
    state = run_epochs(
        key_run,
        stage1_step.make_step(model, optimizer),
        stage1_step.create_state(key_init, model, optimizer),
        jnp.asarray(genotypes, jnp.int32),
        num_epochs=num_epochs,
        batch_size=batch_size,
    )
    return stage1_step.variables(state)


def run_epochs(
    key: jax.Array,
    step: parallel.StepFn,
    state: TrainState,
    data: Any,
    *,
    num_epochs: int,
    batch_size: int,
    on_epoch: Callable[[int, Mapping[str, np.ndarray]], None] | None = None,
) -> TrainState:
    """Trains on one device, without files.

    Args:
      key: consumed.
      step: one update.
      state: before the first step.
      data: leaves ``[M, ...]``.
      num_epochs: passes over them; what no batch has room for is left out.
      batch_size: at most ``M``.
      on_epoch: called with an epoch's number and the metrics of its steps.
    """
    epoch = parallel.make_epoch(
        step,
        batch_size=batch_size,
        steps_per_epoch=len(jax.tree.leaves(data)[0]) // batch_size,
        strategy="mesh",
        devices=jax.local_devices()[:1],
    )
    placed, data = epoch.place(state), epoch.place_data(data)
    for number in range(num_epochs):
        placed, metrics = epoch.run(placed, data, key, number)
        if on_epoch is not None:
            on_epoch(number, jax.device_get(metrics))
    return jax.device_put(epoch.fetch(placed))


def train(key: jax.Array, space: Space, *, num_epochs: int = 12) -> Generator:
    """A generator of a space with default hyperparameters, about a minute on 2 cores.

    Args:
      key: consumed.
      space: what to generate.
      num_epochs: of stage 1.
    """
    key_split, key_train, key_build = jax.random.split(key, 3)
    model = Stage1(space=space)
    genotypes = split(key_split, space).train
    variables = train_variables(key_train, model, genotypes, num_epochs=num_epochs)
    return generators.build(key_build, model, variables, genotypes)
