"""Training a generator in memory: one call, no files.

The binaries train with checkpoints and logs instead; both run the same steps.
"""

from __future__ import annotations

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
    steps = len(genotypes) // batch_size
    optimizer = stage1_step.make_optimizer(
        learning_rate=learning_rate, num_steps=num_epochs * steps
    )
    epoch = parallel.make_epoch(
        stage1_step.make_step(model, optimizer),
        batch_size=batch_size,
        steps_per_epoch=steps,
        strategy="mesh",
        devices=jax.local_devices()[:1],
    )
    key_init, key_run = jax.random.split(key)
    state = epoch.place(stage1_step.create_state(key_init, model, optimizer))
    data = epoch.place_data(jnp.asarray(genotypes, jnp.int32))
    for number in range(num_epochs):
        state, _ = epoch.run(state, data, key_run, number)
    return stage1_step.variables(jax.device_put(epoch.fetch(state)))


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
