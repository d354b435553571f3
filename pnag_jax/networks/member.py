"""One architecture in training: its state, an epoch, its accuracies.

Pure functions of one member; ``population_training`` runs many at once.  All
that is random comes from the member's own seed, so that what becomes of it does
not depend on which others train beside it.

Letters of shapes: ``M`` examples of a part of the data, ``B`` of a batch, ``S``
steps of an epoch, ``L`` genes.
"""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp

from pnag_jax.datasets import Part
from pnag_jax.networks import recipe as recipes
from pnag_jax.networks import streams
from pnag_jax.networks.recipe import Recipe
from pnag_jax.training.state import TrainState

# What is done with a seed's streams.
_INIT, _EPOCHS = 0, 1


class Alone(nn.Module):
    """One network that is called as a population is; the genotype is not looked at."""

    network: nn.Module

    def __call__(self, genotype: jax.Array, images: jax.Array, *, train: bool = False) -> jax.Array:
        """``int32 [L], [B, H, W, C] -> [B, num_classes]``."""
        del genotype
        return self.network(images, train=train)


class Member(flax.struct.PyTreeNode):
    """All that an architecture in training carries.

    Attributes:
      genotype: int32 ``[L]``.
      seed: uint32 ``[]``.
      state: parameters, optimizer, and batch norm's moments in ``extra``.
      best: float32 ``[]``, the highest validation accuracy so far, in percent.
      waited: int32 ``[]``, epochs since.
    """

    genotype: jax.Array
    seed: jax.Array
    state: TrainState
    best: jax.Array
    waited: jax.Array


def create(
    net: nn.Module, recipe: Recipe, train: Part, genotype: jax.Array, seed: jax.Array
) -> Member:
    """An architecture before its first step; no network is run.

    Args:
      net: takes the genotype as an argument; static.
      recipe: static.
      train: what it will train on; only shapes count.
      genotype: int32 ``[L]``.
      seed: uint32 ``[]``.
    """
    image = jax.ShapeDtypeStruct((recipe.batch_size, *train.images.shape[1:]), jnp.float32)
    key = jax.random.fold_in(streams.key(seed), _INIT)
    shape = jax.ShapeDtypeStruct(genotype.shape, genotype.dtype)
    variables = net.lazy_init(key, shape, image)
    optimizer = recipes.optimizer(recipe, steps_per_epoch(recipe, train))
    return Member(
        genotype=genotype,
        seed=seed,
        state=TrainState.create(
            variables["params"], optimizer, extra=variables.get("batch_stats", {})
        ),
        best=jnp.float32(-1.0),
        waited=jnp.int32(0),
    )


def steps_per_epoch(recipe: Recipe, train: Part) -> int:
    """``S``: whole batches."""
    return len(train.labels) // recipe.batch_size


def epoch(
    net: nn.Module, recipe: Recipe, member: Member, train: Part, valid: Part, number: jax.Array
) -> tuple[Member, dict[str, jax.Array]]:
    """One epoch, unless the member has stopped.

    Args:
      net: takes the genotype as an argument; static.
      recipe: static.
      member: of one architecture.
      train: device arrays.
      valid: device arrays.
      number: int32 ``[]``, which epoch, from 0.

    Returns:
      The member, and ``loss`` (mean over the steps, NaN once it has stopped) and
      ``valid_accuracy`` (percent, after the epoch).
    """

    def run(member: Member) -> tuple[Member, dict[str, jax.Array]]:
        state, losses = _steps(net, recipe, member, train, number)
        member = member.replace(state=state)
        found = accuracy(net, recipe, member, valid)
        better = found > member.best
        member = member.replace(
            best=jnp.where(better, found, member.best),
            waited=jnp.where(better, 0, member.waited + 1),
        )
        return member, {"loss": losses.mean(), "valid_accuracy": found}

    def rest(member: Member) -> tuple[Member, dict[str, jax.Array]]:
        return member, {"loss": jnp.float32(jnp.nan), "valid_accuracy": member.best}

    if not recipe.patience:
        return run(member)
    return jax.lax.cond(member.waited < recipe.patience, run, rest, member)


def _steps(
    net: nn.Module, recipe: Recipe, member: Member, train: Part, number: jax.Array
) -> tuple[TrainState, jax.Array]:
    """All steps of an epoch; the state and the losses ``[S]``."""
    steps = steps_per_epoch(recipe, train)
    optimizer = recipes.optimizer(recipe, steps)
    key = jax.random.fold_in(jax.random.fold_in(streams.key(member.seed), _EPOCHS), number)
    key_order, key_steps = jax.random.split(key)
    order = jax.random.permutation(key_order, len(train.labels))
    rows = order[: steps * recipe.batch_size].reshape(steps, recipe.batch_size)

    def step(state: TrainState, inputs: Any) -> tuple[TrainState, jax.Array]:
        row, index = inputs
        key_augment, *keys = jax.random.split(jax.random.fold_in(key_steps, index), 3)
        images = recipes.augment(recipe, key_augment, train.images[row])
        rngs = dict(zip(("dropout", "drop_path"), keys, strict=True))

        def loss_of(params: Any) -> tuple[jax.Array, Any]:
            logits, changed = net.apply(
                {"params": params, "batch_stats": state.extra},
                member.genotype,
                images,
                train=True,
                mutable=["batch_stats"],
                rngs=rngs,
            )
            return recipes.loss(recipe, logits, train.labels[row]), changed.get("batch_stats", {})

        (loss, moments), gradients = jax.value_and_grad(loss_of, has_aux=True)(state.params)
        return state.update(gradients, optimizer, extra=moments), loss

    return jax.lax.scan(step, member.state, (rows, jnp.arange(steps)))


def accuracy(net: nn.Module, recipe: Recipe, member: Member, part: Part) -> jax.Array:
    """Share of the labels that are found, in percent: float32 ``[]``."""
    size = min(recipe.batch_size, len(part.labels))
    filling = -len(part.labels) % size
    images = jnp.pad(part.images, ((0, filling), (0, 0), (0, 0), (0, 0)))
    labels = jnp.pad(part.labels, (0, filling), constant_values=-1)
    variables = {"params": member.state.params, "batch_stats": member.state.extra}

    def hits(batch: tuple[jax.Array, jax.Array]) -> jax.Array:
        some, wanted = batch
        logits: Any = net.apply(variables, member.genotype, some)
        return jnp.sum(jnp.argmax(logits, axis=-1) == wanted)

    batches = (images.reshape(-1, size, *images.shape[1:]), labels.reshape(-1, size))
    return 100 * jnp.sum(jax.lax.map(hits, batches)) / len(part.labels)
