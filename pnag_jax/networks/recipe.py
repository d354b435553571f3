"""How a network is trained: optimizer, schedule, augmentation, when to stop.

Letters of shapes: ``B`` images of a batch, ``H`` and ``W`` their sides, ``C``
channels.
"""

from __future__ import annotations

import dataclasses
import math

import jax
import jax.numpy as jnp
import optax

from pnag_jax.errors import UsageError

# Field, lowest and highest accepted value.
_RANGES: tuple[tuple[str, float, float], ...] = (
    ("epochs", 1, 1_000_000),
    ("batch_size", 2, 1_000_000),
    ("learning_rate", 1e-12, 100),
    ("momentum", 0, 0.9999),
    ("weight_decay", 0, 1),
    ("label_smoothing", 0, 0.99),
    ("shift", 0, 64),
    ("patience", 0, 1_000_000),
)


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Stochastic gradient descent with Nesterov's momentum on a cosine to zero.

    Learning rate, momentum, weight decay and schedule are those of
    NAS-Bench-201 (Dong and Yang, ICLR 2020, table 1), which trains 200 epochs
    in batches of 256.

    Attributes:
      epochs: over the part that is trained on.
      batch_size: ``B``; what an epoch leaves over is not seen in it.
      learning_rate: of the first step; it falls to zero over all steps.
      momentum: of Nesterov.
      weight_decay: L2 penalty of all parameters.
      label_smoothing: share of a label that is spread over all classes.
      shift: images are moved by up to so many pixels, zero coming in.
      flip: whether half of the images are mirrored, left to right.
      patience: epochs without a better validation accuracy after which
        training stops; 0 for never.
    """

    epochs: int = 12
    batch_size: int = 64
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    label_smoothing: float = 0.0
    shift: int = 0
    flip: bool = False
    patience: int = 0

    def __post_init__(self) -> None:
        for field, low, high in _RANGES:
            value = getattr(self, field)
            if not (low <= value <= high and math.isfinite(value)):
                raise UsageError(
                    f"{field} = {value}; accepted are numbers from {low:g} to {high:g}"
                )


def optimizer(recipe: Recipe, steps_per_epoch: int) -> optax.GradientTransformation:
    """The optimizer of all steps; one vector inside, as most parameters are small."""
    rate = optax.cosine_decay_schedule(recipe.learning_rate, recipe.epochs * steps_per_epoch)
    return optax.flatten(
        optax.chain(
            optax.add_decayed_weights(recipe.weight_decay),
            optax.sgd(rate, momentum=recipe.momentum, nesterov=True),
        )
    )


def loss(recipe: Recipe, logits: jax.Array, labels: jax.Array) -> jax.Array:
    """Mean cross-entropy: ``[B, classes], int [B] -> []``."""
    wanted = optax.smooth_labels(jax.nn.one_hot(labels, logits.shape[-1]), recipe.label_smoothing)
    return optax.softmax_cross_entropy(logits, wanted).mean()


def augment(recipe: Recipe, key: jax.Array, images: jax.Array) -> jax.Array:
    """Moves and mirrors each image by itself: ``[B, H, W, C] -> [B, H, W, C]``."""
    key_shift, key_flip = jax.random.split(key)
    if recipe.shift:
        by = recipe.shift
        padded = jnp.pad(images, ((0, 0), (by, by), (by, by), (0, 0)))
        start = jax.random.randint(key_shift, (len(images), 2), 0, 2 * by + 1)
        images = jax.vmap(
            lambda image, at: jax.lax.dynamic_slice(image, (at[0], at[1], 0), images.shape[1:])
        )(padded, start)
    if recipe.flip:
        mirrored = jax.random.bernoulli(key_flip, shape=(len(images), 1, 1, 1))
        images = jnp.where(mirrored, images[:, :, ::-1], images)
    return images
