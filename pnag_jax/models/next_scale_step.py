"""One training step of the next-scale prior, for one device or many."""

from __future__ import annotations

import functools
from typing import NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
import optax

from pnag_jax.models import conditions as conditions_
from pnag_jax.models.conditions import ConditionArrays, Conditions
from pnag_jax.models.next_scale import NextScale
from pnag_jax.training import parallel
from pnag_jax.training.state import TrainState


class Examples(NamedTuple):
    """Architectures with what is known of them; ``B`` rows, or all ``M``.

    Attributes:
      codes: int32 ``[B, P]``, their tokens.
      quality: float32 ``[B, K]``, quantile on every task, NaN where unknown.
      hardware: float32 ``[B, devices]``, the same on every device.
    """

    codes: jax.Array
    quality: jax.Array
    hardware: jax.Array


@functools.partial(jax.jit, static_argnames=("model", "optimizer"))
def create_state(
    key: jax.Array, model: NextScale, optimizer: optax.GradientTransformation
) -> TrainState:
    """The state before the first step.  The key is consumed."""
    codes = jnp.zeros((1, sum(model.sizes)), jnp.int32)
    conditions = Conditions().filled(1, model.embedding_size, model.dtype)
    return TrainState.create(model.init(key, codes, conditions), optimizer)


def code_length(logits: jax.Array, codes: jax.Array, sizes: tuple[int, ...]) -> jax.Array:
    """Nats that the codes of each scale take: ``[B, P, V], [B, P] -> [B, T]``."""
    nats = optax.softmax_cross_entropy_with_integer_labels(logits, codes)
    ends = np.cumsum(sizes)[:-1]
    return jnp.stack([part.sum(axis=1) for part in jnp.split(nats, ends, axis=1)], axis=1)


def make_step(
    model: NextScale,
    optimizer: optax.GradientTransformation,
    *,
    drop_all: float = 0.1,
    drop_each: float = 0.3,
    embeddings: jax.Array | None = None,
) -> parallel.StepFn:
    """The step function of ``training.parallel``; its batch is ``Examples``.

    Args:
      model: static.
      optimizer: as given to ``create_state``.
      drop_all: of conditions, see ``conditions.drop``; so is ``drop_each``.
      embeddings: float ``[K, E]``, of the tasks.
    """

    def step(
        state: TrainState, batch: Examples, key: jax.Array, axis_name: str | None
    ) -> tuple[TrainState, dict[str, jax.Array]]:
        keys = parallel.example_keys(key, len(batch.codes), axis_name)

        def choose(key: jax.Array, quality: jax.Array, hardware: jax.Array) -> ConditionArrays:
            key_choose, key_drop = jax.random.split(key)
            chosen = _choose(key_choose, model, quality, hardware, embeddings)
            return conditions_.drop(key_drop, chosen, drop_all=drop_all, drop_each=drop_each)

        conditions = jax.vmap(choose)(keys, batch.quality, batch.hardware)

        def loss_of(params: dict) -> tuple[jax.Array, jax.Array]:
            logits = cast(jax.Array, model.apply(params, batch.codes, conditions))
            per_scale = code_length(logits, batch.codes, model.sizes).mean(axis=0)
            return per_scale.sum(), per_scale

        (loss, per_scale), gradients = jax.value_and_grad(loss_of, has_aux=True)(state.params)
        gradients, metrics = parallel.mean_over(
            (gradients, {"loss": loss, "nats_per_scale": per_scale}), axis_name
        )
        return state.update(gradients, optimizer), metrics

    return step


def _choose(
    key: jax.Array,
    model: NextScale,
    quality: jax.Array,
    hardware: jax.Array,
    embeddings: jax.Array | None,
) -> ConditionArrays:
    """Conditions of one example: one of its tasks and one of its devices."""
    key_task, key_device = jax.random.split(key)
    task, quantile = _one_of(key_task, quality)
    device, share = _one_of(key_device, hardware)
    chosen = Conditions(
        quality=quantile,
        hardware=share,
        device=device,
        task=jnp.where(model.num_tasks > 0, task, -1),
        embedding=None if embeddings is None else embeddings[task],
    ).filled(1, model.embedding_size, model.dtype)
    return jax.tree.map(lambda x: x[0], chosen)


def _one_of(key: jax.Array, values: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The number and the value of one entry of ``[K]``, drawn uniformly; -1 and NaN of none."""
    if not len(values):
        return jnp.array(-1), jnp.array(jnp.nan)
    number = jax.random.randint(key, (), 0, len(values))
    return number, values[number]
