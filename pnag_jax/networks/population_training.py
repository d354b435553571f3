"""Trains many architectures at once, in one compiled program over all devices.

Letters of shapes: ``K`` members, ``D`` devices, ``d`` of them of this process,
``L`` genes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from pnag_jax.datasets import Dataset, Part
from pnag_jax.errors import UsageError
from pnag_jax.networks import member
from pnag_jax.networks.member import Member
from pnag_jax.networks.recipe import Recipe
from pnag_jax.training import hosts

PyTree = Any
_AXIS = "devices"


class Trainer:
    """Epochs of ``K`` members, stacked and spread over ``D`` devices by ``pmap``.

    A device takes its members one after another (``loop``) or side by side
    (``vmap``).  One after another is faster on a CPU, where one member's arrays
    fit into a cache and the arithmetic of one fills a core; side by side fills an
    accelerator.  Whoever is beside a member and wherever it stands, its outcome is
    the same, bit for bit, for one number of members and devices.

    Where the devices are those of several processes, each process trains the
    members of its own, and all call all methods alike; nothing is exchanged but
    what ``fetch`` returns.

    Attributes:
      devices: the ``D`` devices.
      spans: whether they are those of several processes.
    """

    def __init__(
        self,
        net: nn.Module,
        recipe: Recipe,
        data: Dataset,
        *,
        devices: Sequence[jax.Device] | None = None,
        loop: bool | None = None,
    ):
        """Puts the data on the devices; compiles at the first call.

        Args:
          net: takes the genotype as an argument.
          recipe: how to train.
          data: what to train on.
          devices: all of all processes by default.
          loop: see above; by default on CPUs.

        Raises:
          UsageError: fewer images than a batch takes; other numbers of devices
            in other processes.
        """
        if member.steps_per_epoch(recipe, data.train) < 1:
            raise UsageError(
                f"batch_size = {recipe.batch_size}; accepted are numbers from 2 to"
                f" {len(data.train.labels)}, the images that are trained on"
            )
        self.devices = tuple(jax.devices() if devices is None else devices)
        self._places = _of_processes(self.devices)
        self.spans = len(self._places) > 1
        self._here = self._places[jax.process_index()]
        mine = [self.devices[i] for i in self._here]
        mesh = jax.make_mesh((len(mine),), (_AXIS,), axis_types=(AxisType.Auto,), devices=mine)
        everywhere = NamedSharding(mesh, PartitionSpec())
        self._split = NamedSharding(mesh, PartitionSpec(_AXIS))
        self._train, self._valid, self._test = (
            jax.device_put(Part(*part), everywhere) for part in (data.train, data.valid, data.test)
        )
        self._everywhere = everywhere
        looping = self.devices[0].platform == "cpu" if loop is None else loop
        over = _one_by_one if looping else _side_by_side
        epoch = functools.partial(member.epoch, net, recipe)
        accuracy = functools.partial(member.accuracy, net, recipe)
        self._create = jax.jit(functools.partial(member.create, net, recipe, data.train))
        parallel = functools.partial(jax.pmap, axis_name=_AXIS, devices=mine)
        self._epoch = parallel(over(epoch), in_axes=(0, None, None, None), donate_argnums=0)
        self._accuracy = parallel(over(accuracy), in_axes=(0, None))

    def create(self, genotypes: np.ndarray, seeds: np.ndarray) -> Member:
        """Members before their first step, on the host.

        Args:
          genotypes: int ``[K, L]``.
          seeds: ``[K]``, of all that is random in a member.

        Returns:
          Leaves ``[K, ...]``.
        """
        made = [
            jax.device_get(self._create(np.asarray(genotype, np.int32), np.uint32(seed)))
            for genotype, seed in zip(genotypes, seeds, strict=True)
        ]
        return jax.tree.map(lambda *leaves: np.stack(leaves), *made)

    def place(self, members: Member) -> PyTree:
        """Leaves ``[K, ...]`` of the host as ``[d, K / D, ...]`` on the devices.

        The last member fills up where ``D`` does not divide ``K``.
        """
        count = len(members.seed)
        places = -(-count // len(self.devices)) * len(self.devices)
        rows = np.minimum(np.arange(places), count - 1).reshape(len(self.devices), -1)
        rows = rows[self._here]
        return jax.device_put(jax.tree.map(lambda x: np.asarray(x)[rows], members), self._split)

    def fetch(self, placed: PyTree, count: int) -> PyTree:
        """Inverse of ``place``: the first ``count``, on the host of every process."""
        host = jax.device_get(placed)
        order = np.argsort(np.concatenate(list(self._places.values())))
        parts = hosts.gathered(host) if self.spans else [host]

        def join(*rows: np.ndarray) -> np.ndarray:
            whole = np.concatenate(rows)[order]
            return whole.reshape(-1, *whole.shape[2:])[:count]

        return jax.tree.map(join, *parts)

    def epoch(self, placed: PyTree, number: int) -> tuple[PyTree, PyTree]:
        """Runs one epoch of all members.

        Args:
          placed: from ``place`` or the epoch before; donated.
          number: from 0.

        Returns:
          The members, and placed ``loss`` and ``valid_accuracy`` of each.
        """
        at = jax.device_put(np.int32(number), self._everywhere)
        return self._epoch(placed, self._train, self._valid, at)

    def accuracies(self, placed: PyTree, count: int) -> dict[str, np.ndarray]:
        """Percent on validation and test images, of the first members: float32 ``[count]``."""
        return {
            name: self.fetch(self._accuracy(placed, part), count)
            for name, part in (("valid_accuracy", self._valid), ("test_accuracy", self._test))
        }


def _of_processes(devices: Sequence[jax.Device]) -> dict[int, list[int]]:
    """The places of each process's devices, by process."""
    places: dict[int, list[int]] = {}
    for number in sorted({device.process_index for device in devices}):
        places[number] = [i for i, d in enumerate(devices) if d.process_index == number]
    if len({len(some) for some in places.values()}) > 1:
        counts = ", ".join(str(len(some)) for some in places.values())
        raise UsageError(f"the processes have {counts} devices; as many are needed in each")
    return places


def _one_by_one(function: Callable) -> Callable:
    """``function(member, *same)`` over the leading axis, in a loop."""
    return lambda members, *same: jax.lax.map(lambda one: function(one, *same), members)


def _side_by_side(function: Callable) -> Callable:
    """``function(member, *same)`` over the leading axis, at once."""

    def batched(members: Member, *same: Any) -> Any:
        return jax.vmap(function, in_axes=(0, *[None] * len(same)))(members, *same)

    return batched
