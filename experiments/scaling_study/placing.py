"""A program over devices, as ``pmap`` or as ``jit`` over a mesh: lowered, or to be run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from experiments.scaling_study.programs import Sampler, Training
from pnag_jax.generation import stream

_AXIS = "devices"


def lower_step(
    training: Training, strategy: str, devices: Sequence[Any], batch_a_device: int
) -> jax.stages.Lowered:
    """One step, placed as ``training.parallel`` places the steps of an epoch.

    Args:
      training: what is lowered; nothing of it is computed.
      strategy: "pmap" or "mesh".
      devices: to compile for; they need not exist.
      batch_a_device: examples each.
    """
    count = len(devices)
    state, key, batch = (
        jax.eval_shape(training.create, jax.random.key(0)),
        jax.eval_shape(lambda: jax.random.key(0)),
        training.batch(batch_a_device * count),
    )
    if strategy == "pmap":
        step = jax.pmap(
            lambda s, b, k: training.step(s, b, k, _AXIS),
            axis_name=_AXIS,
            in_axes=(0, 0, None),
            out_axes=(0, None),
            devices=tuple(devices),
            donate_argnums=0,
        )
        copies = jax.tree.map(lambda x: jax.ShapeDtypeStruct((count, *x.shape), x.dtype), state)
        shares = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct((count, batch_a_device, *x.shape[1:]), x.dtype), batch
        )
        return step.lower(copies, shares, key)
    mesh = Mesh(np.asarray(devices), (_AXIS,), axis_types=(AxisType.Auto,))
    whole, split = NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec(_AXIS))
    step = jax.jit(
        lambda s, b, k: training.step(s, b, k, None),
        in_shardings=(whole, split, whole),
        out_shardings=(whole, whole),
        donate_argnums=0,
    )
    shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), batch)
    return step.lower(state, shapes, key)


def sample(sampler: Sampler, strategy: str, devices: Sequence[Any], n: int) -> Any:
    """A jitted function of keys ``[D]``, one a device: ``[D, n, L]``, each device its own."""
    return stream.on_devices(lambda key: sampler(key, n), devices, strategy)


def lower_sampler(
    sampler: Sampler, strategy: str, devices: Sequence[Any], n: int
) -> jax.stages.Lowered:
    """As ``lower_step``, of a sampler."""
    keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), len(devices)))
    return sample(sampler, strategy, devices, n).lower(keys)
