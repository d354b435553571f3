"""Meta-training of a surrogate: labels of many tasks in, a ``Transferable`` out."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np

from pnag_jax.generation.dataset import ENUMERABLE
from pnag_jax.generation.training import run_epochs
from pnag_jax.methods import transfer_offsets, transferable
from pnag_jax.methods.meta_tasks import MetaTasks
from pnag_jax.methods.transferable import Transferable, embed, in_chunks
from pnag_jax.models import stage1_step, surrogate_step
from pnag_jax.models.surrogate import Surrogate

# Uniform draws that tell which features vary.
_DRAWS = 2048


def train(
    key: jax.Array,
    tasks: MetaTasks,
    *,
    steps: int = 300,
    batch_size: int = 64,
    members: int = 5,
    width: int = 32,
    learning_rate: float = 3e-3,
    weight_decay: float = 0.1,
    ranking: float = 1.0,
    drop: float = 0.5,
    selection: float = 1.0,
    on_epoch: Callable[[int, Mapping[str, np.ndarray]], None] | None = None,
) -> Transferable:
    """Meta-trains an ensemble in memory, on one device.

    Args:
      key: consumed.
      tasks: the labels.
      steps: at least so many.
      batch_size: episodes a step.
      members: ``A``, trained from different starts.
      width: of the networks.
      learning_rate: of the first step; a cosine schedule goes down to 1 %.
      weight_decay: of AdamW.
      ranking: weight of the ranking loss.
      drop: see ``surrogate_step.make_step``.
      selection: weight of the selection beside the labels, 0 for none.
      on_epoch: called with an epoch's number and the metrics of its steps.
    """
    columns = _varying(tasks)
    features = in_chunks(jax.jit(functools.partial(embed, tasks.space, columns)), tasks.genotypes)
    model = Surrogate(example_size=tasks.num_examples, width=width)
    batch_size = min(batch_size, len(tasks.task))
    per_epoch = len(tasks.task) // batch_size
    num_epochs = -(-steps // per_epoch)
    optimizer = stage1_step.make_optimizer(
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        num_steps=num_epochs * per_epoch,
    )
    key_init, key_run = jax.random.split(key)
    state = run_epochs(
        key_run,
        surrogate_step.make_step(
            model,
            optimizer,
            features=jnp.asarray(features),
            examples=jnp.eye(tasks.num_examples),
            ranking=ranking,
            drop=drop,
        ),
        surrogate_step.create_state(
            key_init, model, optimizer, members=members, feature_size=len(columns)
        ),
        jax.tree.map(jnp.asarray, tasks.episodes),
        num_epochs=num_epochs,
        batch_size=batch_size,
        on_epoch=on_epoch,
    )
    trained = Transferable(state.params, columns, jnp.zeros(1), model, tasks.space)
    if math.prod(tasks.space.choices) > ENUMERABLE:
        return trained
    offsets = jnp.asarray(transfer_offsets.offsets(trained, tasks, features, selection))
    return dataclasses.replace(trained, offsets=offsets)


def _varying(tasks: MetaTasks) -> jax.Array:
    """Features that differ within the space or the labels: int32 ``[E]``."""
    drawn = np.asarray(tasks.space.sample(jax.random.key(0), _DRAWS))
    judged = np.concatenate([drawn, tasks.genotypes[:_DRAWS]])
    found = in_chunks(jax.jit(lambda x: transferable.plain(tasks.space, x)), judged)
    return jnp.asarray(np.flatnonzero(found.std(axis=0) > 1e-6), jnp.int32)
