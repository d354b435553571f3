"""Where a state lives on the devices of a training, and the ways in and out.

:class:`Copies` keeps one on every device, behind a leading axis, as ``pmap``
takes it; :class:`Parts` splits leaves over a mesh.  Both give a state
to the host, and to checkpoints that all processes write: as jax arrays over all
devices, of which each process has parts.

Letters of shapes: ``D`` local devices.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding, PartitionSpec

from pnag_jax.training import hosts, sharding
from pnag_jax.training.sharding import DATA

PyTree = Any


class Copies:
    """One copy a device: leaves ``[D, ...]`` over the local devices.

    Attributes:
      everywhere: whole on every local device.
    """

    def __init__(self, devices: Sequence[jax.Device]):
        """For ``devices`` of all processes."""
        mine = [d for d in devices if d.process_index == jax.process_index()]
        # pmap has one axis of its own: states on any other mesh would compile it
        # anew.  A process gives it and gets from it the rows of its own devices.
        mesh = sharding.make_mesh(mine, None)
        self.everywhere = NamedSharding(mesh, PartitionSpec())
        self._of_all = NamedSharding(sharding.make_mesh(devices, None), PartitionSpec())
        split = NamedSharding(mesh, PartitionSpec(DATA))
        self._copy = jax.jit(functools.partial(_repeat, len(mine)), out_shardings=split)
        self._first = jax.jit(_first, out_shardings=self.everywhere)

    def place(self, state: PyTree) -> PyTree:
        """A state, of host or device arrays, as copies on the devices."""
        return self._copy(hosts.put(state, self.everywhere))

    def fetch(self, placed: PyTree) -> PyTree:
        """Inverse of :meth:`place`: on the host; typed PRNG keys on the first device."""
        return _on_host(self._first(placed))

    def share(self, placed: PyTree) -> PyTree:
        """A placed state as arrays over the devices of all processes."""
        return _among(self._first(placed), self._of_all)

    def join(self, shared: PyTree) -> PyTree:
        """Inverse of :meth:`share`."""
        return self._copy(_among(shared, self.everywhere))

    def shapes(self, state: PyTree) -> PyTree:
        """What :meth:`share` gives for this state, as ``jax.ShapeDtypeStruct``."""
        return _shapes(state, jax.tree.map(lambda _: self._of_all, state))


class Parts:
    """Leaves over a mesh of all devices, whole or split; methods as of :class:`Copies`.

    Attributes:
      everywhere: whole on every device.
      split: the leading axis over all devices.
      mesh: of ``sharding.make_mesh``.
    """

    def __init__(self, devices: Sequence[jax.Device], model: int):
        """See ``parallel.make_epoch``."""
        self.mesh = sharding.make_mesh(devices, model)
        self.everywhere = NamedSharding(self.mesh, PartitionSpec())
        self.split = NamedSharding(self.mesh, PartitionSpec(self.mesh.axis_names))
        self._copy = jax.jit(lambda state: self.spread(_duplicate(state)))
        self._whole = jax.jit(lambda state: state, out_shardings=self.everywhere)

    def place(self, state: PyTree) -> PyTree:
        """A state, of host or device arrays, on the devices; the caller's arrays stay whole."""
        return self._copy(hosts.put(state, self.everywhere))

    def fetch(self, placed: PyTree) -> PyTree:
        """Inverse of :meth:`place`: on the host; typed PRNG keys on the first device."""
        return _on_host(self._whole(placed))

    def share(self, placed: PyTree) -> PyTree:
        """The placed state itself."""
        return placed

    def join(self, shared: PyTree) -> PyTree:
        """Inverse of :meth:`share`."""
        return shared

    def shapes(self, state: PyTree) -> PyTree:
        """What :meth:`share` gives for this state, as ``jax.ShapeDtypeStruct``."""
        return _shapes(state, sharding.shardings(state, self.mesh))

    def spread(self, state: PyTree) -> PyTree:
        """Keeps every leaf where ``sharding`` puts it; for traced states."""
        shardings = sharding.shardings(state, self.mesh)
        return jax.lax.with_sharding_constraint(state, shardings)


def _on_host(tree: PyTree) -> PyTree:
    leaves, structure = jax.tree.flatten(tree)
    leaves = [x.addressable_shards[0].data for x in leaves]
    # Keys stay on their device: a key on the host is put back there at once.
    host = iter(jax.device_get([x for x in leaves if not hosts.is_key(x)]))
    return jax.tree.unflatten(structure, [x if hosts.is_key(x) else next(host) for x in leaves])


def _among(tree: PyTree, sharding: NamedSharding) -> PyTree:
    """Whole local copies as those of one array over more or fewer processes; nothing is moved."""

    def join(x: jax.Array) -> jax.Array:
        copies = [shard.data for shard in x.addressable_shards]
        return jax.make_array_from_single_device_arrays(x.shape, sharding, copies)

    return jax.tree.map(join, tree)


def _shapes(tree: PyTree, shardings: PyTree) -> PyTree:
    def shape(x: Any, sharding: NamedSharding) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding)

    return jax.tree.map(shape, tree, shardings)


def _strong(x: jax.Array) -> jax.Array:
    # A weakly typed leaf would change its type, and compile anew, after one step.
    return x if hosts.is_key(x) else jnp.asarray(x, x.dtype)


def _duplicate(state: PyTree) -> PyTree:
    return jax.tree.map(lambda x: jnp.copy(_strong(x)), state)


def _repeat(count: int, state: PyTree) -> PyTree:
    return jax.tree.map(lambda x: jnp.broadcast_to(_strong(x), (count, *x.shape)), state)


def _first(state: PyTree) -> PyTree:
    return jax.tree.map(lambda x: x[0], state)
