"""A surrogate that is trained on many tasks: scores of architectures on a new one.

The two encoders of ``task_encoders`` stand behind one interface, ``Task``; both
may be empty.  Letters as there, ``E`` features of an architecture, ``S`` scores.
"""

from __future__ import annotations

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from pnag_jax.models.task_encoders import Examples, PairEncoder, Pairs, SetEncoder

# Natural logarithms between which variances lie, in units of the scores.
_LOG_VARIANCES = (-7.0, 2.0)


class Task(NamedTuple):
    """What is known of one task.

    Attributes:
      examples: of its data set.
      pair_features: float ``[C, E]``, measured architectures.
      pair_scores: float ``[C, S]``, normal scores of their measurements among
        each other, 0 where missing.
      pair_mask: bool ``[C]``.
    """

    examples: Examples
    pair_features: jax.Array
    pair_scores: jax.Array
    pair_mask: jax.Array


class Prediction(NamedTuple):
    """Normal distributions of scores.

    Attributes:
      mean: ``[m, S]``.
      log_variance: ``[m, S]``.
      level: ``[S]``, the part of the mean that all architectures share: how
        easy the task looks.
    """

    mean: jax.Array
    log_variance: jax.Array
    level: jax.Array


class Surrogate(nn.Module):
    """Mean and variance of every score, of one task; ``vmap`` for many.

    Attributes:
      num_scores: ``S``.
      example_size: ``D``.
      width: ``W``.
      num_heads: of all attention.
    """

    num_scores: int = 1
    example_size: int = 1
    width: int = 64
    num_heads: int = 4

    @nn.compact
    def __call__(
        self,
        features: jax.Array,
        task: Task,
        interact: jax.Array,
        table: jax.Array | None = None,
    ) -> Prediction:
        """Predicts ``m`` architectures.

        Args:
          features: ``[m, E]``.
          task: what is known.
          interact: scalar, 0 to take from the examples no more than the task's
            level.
          table: see ``SetEncoder``.

        Raises:
          ValueError: the examples have another number of features.
        """
        size = (task.examples.features if table is None else table).shape[-1]
        if size != self.example_size:
            raise ValueError(f"examples of {size} features; accepted are {self.example_size}")
        first, second = nn.Dense(self.width, name="first"), nn.Dense(self.width, name="second")

        def embed(x: jax.Array) -> jax.Array:
            return second(nn.gelu(first(x)))

        h = embed(features)
        pairs = Pairs(embed(task.pair_features), task.pair_scores, task.pair_mask)
        h = h + PairEncoder(self.width, self.num_heads, name="pairs")(h, pairs)
        z = SetEncoder(self.width // 2, self.num_heads, name="examples")(task.examples, table)
        level = nn.Dense(self.num_scores, use_bias=False, name="level")(z)
        turn = nn.Dense(self.width, use_bias=False, kernel_init=nn.initializers.zeros, name="turn")(
            z
        )
        h = nn.gelu(nn.LayerNorm()(h) * (1 + interact * turn))
        mean = nn.Dense(self.num_scores, name="mean")(h) + level
        log_variance = nn.Dense(
            self.num_scores, kernel_init=nn.initializers.zeros, name="log_variance"
        )(h)
        return Prediction(mean, jnp.clip(log_variance, *_LOG_VARIANCES), level)
