"""A program over devices, as ``pmap`` or as ``jit`` over a mesh: lowered, or to be run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
from jax.sharding import NamedSharding, PartitionSpec

from experiments.bench.programs import Sampler, Training
from pnag_jax.generation import stream
from pnag_jax.training import sharding


def lower_step(
    training: Training,
    strategy: str,
    devices: Sequence[Any],
    batch_a_device: int,
    model: int = 1,
) -> jax.stages.Lowered:
    """One step, placed as ``training.parallel`` places the steps of an epoch.

    Args:
      training: what is lowered; nothing of it is computed.
      strategy: "pmap" or "mesh".
      devices: to compile for; they need not exist.
      batch_a_device: examples each.
      model: devices that share one copy of the state, with "mesh".
    """
    count = len(devices)
    state, batch, key = training.shapes(batch_a_device * count)
    if strategy == "pmap":
        step = jax.pmap(
            lambda s, b, k: training.step(s, b, k, sharding.DATA),
            axis_name=sharding.DATA,
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
    mesh = sharding.make_mesh(devices, model)
    placed = sharding.shardings(state, mesh)
    whole, split = (NamedSharding(mesh, PartitionSpec(*axes)) for axes in ((), (mesh.axis_names,)))

    def update(state: Any, batch: Any, key: Any) -> Any:
        with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
            return training.step(state, batch, key, None)

    step = jax.jit(
        update,
        in_shardings=(placed, split, whole),
        out_shardings=(placed, whole),
        donate_argnums=0,
    )
    return step.lower(state, batch, key)


def sample(sampler: Sampler, strategy: str, devices: Sequence[Any], n: int) -> Any:
    """A jitted function of keys ``[D]``, one a device: ``[D, n, L]``, each device its own."""
    return stream.on_devices(lambda key: sampler(key, n), devices, strategy)


def lower_sampler(
    sampler: Sampler, strategy: str, devices: Sequence[Any], n: int
) -> jax.stages.Lowered:
    """As ``lower_step``, of a sampler."""
    keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), len(devices)))
    return sample(sampler, strategy, devices, n).lower(keys)
