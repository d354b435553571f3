"""What a generated architecture is asked to be, and how a network reads it.

Letters: ``B`` batch, ``W`` width, ``K`` tasks, ``E`` entries of a task
embedding.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from pnag_jax.errors import UsageError

# Frequencies at which a quantile is read; the finest resolves about 1/16.
_FREQUENCIES = 8


class ConditionArrays(NamedTuple):
    """``Conditions`` with an array in every field, ``[B]`` each, and ``[B, E]``."""

    quality: jax.Array
    hardware: jax.Array
    device: jax.Array
    task: jax.Array
    embedding: jax.Array


@flax.struct.dataclass
class Conditions:
    """Conditions of ``B`` architectures, or of all alike; each can be absent.

    A field is None (absent for all), a scalar or ``[B]``; in an array, NaN
    and -1 say "absent for this one".

    Attributes:
      quality: quantile in [0, 1] of the measured quality; 1 is the best.
      hardware: quantile in [0, 1] of the latency or size on ``device``; 0 is
        the least.  Absent where ``device`` is.
      device: number of a device, from 0.
      task: number of a task, from 0; the one that ``quality`` is of.
      embedding: float ``[E]`` or ``[B, E]``, of a task.
    """

    quality: ArrayLike | None = None
    hardware: ArrayLike | None = None
    device: ArrayLike | None = None
    task: ArrayLike | None = None
    embedding: ArrayLike | None = None

    def filled(self, batch: int, embedding_size: int, dtype: Any = jnp.float32) -> ConditionArrays:
        """The same for ``batch`` architectures, with an array in every field."""

        def full(value: ArrayLike | None, absent: float, kind: Any, *rest: int) -> jax.Array:
            value = jnp.asarray(absent if value is None else value, kind)
            return jnp.broadcast_to(value, (batch, *rest))

        return ConditionArrays(
            quality=full(self.quality, jnp.nan, dtype),
            hardware=full(self.hardware, jnp.nan, dtype),
            device=full(self.device, -1, jnp.int32),
            task=full(self.task, -1, jnp.int32),
            embedding=full(self.embedding, jnp.nan, dtype, embedding_size),
        )

    def check(self, num_devices: int, num_tasks: int, embedding_size: int) -> None:
        """Refuses values out of range; values that are being traced are not looked at.

        Raises:
          UsageError: naming the field, its value and the accepted ones.
        """
        if self.hardware is not None and self.device is None:
            raise UsageError("hardware: a quantile is of a device; device is not given")
        for name in ("quality", "hardware"):
            for value in _concrete(getattr(self, name)):
                if not (0 <= value <= 1 or np.isnan(value)):
                    raise UsageError(f"{name} = {value:g}; accepted are quantiles from 0 to 1")
        for name, count in (("device", num_devices), ("task", num_tasks)):
            for value in _concrete(getattr(self, name)):
                if not (-1 <= value < count and value == int(value)):
                    accepted = f"0 .. {count - 1}" if count else "none: the prior knows none"
                    raise UsageError(f"{name} = {value}; accepted are {accepted}")
        given = None if self.embedding is None else np.shape(self.embedding)[-1:]
        if given not in (None, (embedding_size,)):
            raise UsageError(f"embedding: of shape {given}; accepted is {(embedding_size,)}")


def _concrete(value: ArrayLike | None) -> np.ndarray:
    """The values that can be looked at, flat."""
    if value is None or isinstance(value, jax.core.Tracer):
        return np.empty(0)
    return np.ravel(np.asarray(value))


def drop(
    key: jax.Array, conditions: ConditionArrays, *, drop_all: float, drop_each: float
) -> ConditionArrays:
    """Takes conditions of one architecture away at random, so that every subset is seen.

    Ho and Salimans, "Classifier-Free Diffusion Guidance", 2022, have one
    condition and drop it at 10 to 20 %.  With several, one that is asked for
    alone would be rare in training if each were dropped as seldom as that.

    Args:
      key: consumed.
      conditions: of one architecture, without batch axis.
      drop_all: probability that none is left.
      drop_each: probability that one is not left, otherwise.
    """
    rates = jnp.array([drop_all, *[drop_each] * 4])
    keep = jax.random.uniform(key, rates.shape) >= rates
    kept = keep[0] & keep[1:]
    return ConditionArrays(
        quality=jnp.where(kept[0], conditions.quality, jnp.nan),
        hardware=jnp.where(kept[1], conditions.hardware, jnp.nan),
        device=jnp.where(kept[1], conditions.device, -1),
        task=jnp.where(kept[2], conditions.task, -1),
        embedding=jnp.where(kept[3], conditions.embedding, jnp.nan),
    )


class ConditionEmbedding(nn.Module):
    """One vector from all conditions; what is absent has a learned vector.

    Attributes:
      num_devices: devices that can be named.
      num_tasks: ``K``.
      embedding_size: ``E``.
      width: ``W``.
      dtype: of parameters and computation.
    """

    num_devices: int
    num_tasks: int
    embedding_size: int
    width: int
    dtype: Any

    @nn.compact
    def __call__(self, conditions: ConditionArrays) -> jax.Array:
        """Conditions of ``B`` architectures: ``[B, W]``."""

        def dense(x: jax.Array, name: str) -> jax.Array:
            return nn.Dense(self.width, dtype=self.dtype, param_dtype=self.dtype, name=name)(x)

        def or_none(value: jax.Array, present: jax.Array, name: str) -> jax.Array:
            init = nn.initializers.normal(0.02)
            none = self.param(f"no_{name}", init, (self.width,), self.dtype)
            return jnp.where(present[:, None], value, none)

        def named(number: jax.Array, count: int, name: str) -> jax.Array:
            # Number -1, "absent", has the row after the last.
            table = nn.Embed(
                count + 1, self.width, dtype=self.dtype, param_dtype=self.dtype, name=name
            )
            return table(jnp.where(number < 0, count, number))

        quality, hardware = conditions.quality, conditions.hardware
        device = named(conditions.device, self.num_devices, "device")
        has_hardware = ~jnp.isnan(hardware) & (conditions.device >= 0)
        has_embedding = ~jnp.isnan(conditions.embedding).any(axis=-1)
        embedding = jnp.where(has_embedding[:, None], conditions.embedding, 0)
        total = (
            or_none(dense(_waves(quality), "quality"), ~jnp.isnan(quality), "quality")
            # A quantile means something else on every device.
            + or_none(
                dense(nn.silu(dense(_waves(hardware), "hardware") + device), "on_device"),
                has_hardware,
                "hardware",
            )
            + named(conditions.task, self.num_tasks, "task")
        )
        if self.embedding_size:
            total += or_none(dense(embedding, "embedding"), has_embedding, "embedding")
        return dense(nn.silu(dense(total, "mix")), "out")


def _waves(quantile: jax.Array) -> jax.Array:
    """Smooth features of quantiles, NaN read as 0: ``[B] -> [B, features]``."""
    q = jnp.nan_to_num(quantile)[:, None]
    angle = jnp.pi * q * jnp.arange(1, _FREQUENCIES + 1, dtype=q.dtype)
    return jnp.concatenate([q, jnp.sin(angle), jnp.cos(angle)], axis=-1)
