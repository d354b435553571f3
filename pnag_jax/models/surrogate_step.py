"""One training step of the surrogates, for one device or many.

An episode is one task with some of its measurements.  A random part of them, in
half of the cases none, is told; the others are predicted.  Letters as in
``surrogate``; ``B`` episodes of ``R`` measurements, ``A`` members that are
trained side by side from different starts.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from pnag_jax import losses
from pnag_jax.models.surrogate import Prediction, Surrogate, Task
from pnag_jax.models.task_encoders import Examples
from pnag_jax.ranks import normal_scores
from pnag_jax.training import parallel
from pnag_jax.training.state import TrainState


class Episodes(NamedTuple):
    """Measurements by task, of JAX or numpy; rows number what stands in tables of the step.

    Attributes:
      rows: int32 ``[B, R]``, architectures; -1 for none.
      values: float32 ``[B, R, S]``, scores of unit variance, NaN where missing.
      examples: int32 ``[B, n]``, of the data set; -1 for none.
    """

    rows: Any
    values: Any
    examples: Any


@functools.partial(jax.jit, static_argnames=("model", "optimizer", "members", "feature_size"))
def create_state(
    key: jax.Array,
    model: Surrogate,
    optimizer: optax.GradientTransformation,
    *,
    members: int,
    feature_size: int,
) -> TrainState:
    """The state of all members before the first step.  The key is consumed."""
    features = jnp.zeros((1, feature_size))
    task = unknown(model, feature_size)

    def init(key: jax.Array) -> Any:
        return model.init(key, features, task, jnp.ones(()))

    return TrainState.create(jax.vmap(init)(jax.random.split(key, members)), optimizer)


def unknown(model: Surrogate, feature_size: int) -> Task:
    """A task of which nothing is known: one empty slot of everything."""
    none = jnp.zeros(1, bool)
    return Task(
        examples=Examples(jnp.zeros((1, model.example_size)), none),
        pair_features=jnp.zeros((1, feature_size)),
        pair_scores=jnp.zeros((1, model.num_scores)),
        pair_mask=none,
    )


def make_step(
    model: Surrogate,
    optimizer: optax.GradientTransformation,
    *,
    features: jax.Array,
    examples: jax.Array,
    ranking: float = 1.0,
    margin: float = 0.1,
    drop: float = 0.5,
) -> parallel.StepFn:
    """The step function of ``training.parallel``; its batch is ``Episodes``.

    Args:
      model: static.
      optimizer: as given to ``create_state``.
      features: float ``[M, E]``, of all architectures.
      examples: float ``[P, D]``, of all data sets.
      ranking: weight of the pairwise ranking loss beside the likelihood.
      margin: of that loss, in units of the scores.
      drop: share of the examples that are left out at random, so that none is
        learned by heart.
    """

    def loss_of_episode(params: Any, key: jax.Array, episode: Episodes) -> dict[str, jax.Array]:
        key_told, key_interact, key_drop = jax.random.split(key, 3)
        there = episode.rows >= 0
        told = _told(key_told, there)
        kept = jax.random.uniform(key_drop, episode.examples.shape) >= drop
        task = Task(
            examples=Examples(episode.examples, kept & (episode.examples >= 0)),
            pair_features=features[episode.rows],
            pair_scores=jax.vmap(normal_scores, in_axes=(1, 1), out_axes=1)(
                episode.values, told[:, None] & ~jnp.isnan(episode.values)
            ),
            pair_mask=told,
        )
        # On a new task there may be no examples: predictions must not need them.
        interact = jax.random.bernoulli(key_interact).astype(features.dtype)
        found = model.apply(params, features[episode.rows], task, interact, examples)
        assert isinstance(found, Prediction)
        asked = (there & ~told)[:, None]
        values = jnp.where(asked, episode.values, jnp.nan)
        rank = jax.vmap(functools.partial(losses.pairwise_ranking, margin=margin), in_axes=1)(
            found.mean, values
        )
        nats = losses.gaussian_nll(found.mean, found.log_variance, values)
        return {"nats": nats, "ranking": rank.mean()}

    def step(
        state: TrainState, batch: Episodes, key: jax.Array, axis_name: str | None
    ) -> tuple[TrainState, dict[str, jax.Array]]:
        keys = parallel.example_keys(key, len(batch.rows), axis_name)

        def loss_of(params: Any) -> tuple[jax.Array, dict[str, jax.Array]]:
            each = jax.vmap(loss_of_episode, in_axes=(None, 0, 0))
            parts = jax.vmap(each, in_axes=(0, None, None))(params, keys, batch)
            means = {name: part.mean(axis=1) for name, part in parts.items()}
            loss = means["nats"] + ranking * means["ranking"]
            # The sum, so that each member has the gradient of its own loss.
            return loss.sum(), {"loss": loss.mean()} | {n: x.mean() for n, x in means.items()}

        (_, metrics), gradients = jax.value_and_grad(loss_of, has_aux=True)(state.params)
        gradients, metrics = parallel.mean_over((gradients, metrics), axis_name)
        return state.update(gradients, optimizer), metrics

    return step


def _told(key: jax.Array, there: jax.Array) -> jax.Array:
    """Which measurements are told: none, or up to half of them: bool ``[R]``."""
    key_any, key_count, key_order = jax.random.split(key, 3)
    most = there.sum() // 2
    count = jax.random.randint(key_count, (), 0, most + 1)
    count = jnp.where(jax.random.bernoulli(key_any), count, 0)
    order = jnp.where(there, jax.random.uniform(key_order, there.shape), jnp.inf)
    return jnp.argsort(jnp.argsort(order)) < count
