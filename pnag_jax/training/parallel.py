"""One step function on one device or many, by ``pmap`` or by ``jit`` over a mesh.

Letters of shapes: ``M`` examples of the data, ``B`` examples of a batch
(``batch_size``), ``D`` devices, ``S`` steps of an epoch.

A step function is written once::

    def step(state, batch, key, axis_name):
        def loss_of(params):
            return jnp.mean(jnp.square(model(params, batch["x"]) - batch["y"]))

        loss, gradients = jax.value_and_grad(loss_of)(state.params)
        gradients = parallel.mean_over(gradients, axis_name)
        loss = parallel.mean_over(loss, axis_name)
        metrics = {"loss": loss, "gradient_norm": optax.tree.norm(gradients)}
        return state.update(gradients, optimizer), metrics

Under ``pmap`` it sees ``B / D`` examples and an axis name, and reduces over
devices itself.  Under ``mesh`` it sees all ``B``, ``axis_name`` is ``None``,
and the compiler splits the work; the state may be split too, see
:mod:`~pnag_jax.training.sharding`.  Either way the batches, the keys and, up
to the order of additions, the results are those of one device.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from pnag_jax.errors import UsageError
from pnag_jax.training import hosts
from pnag_jax.training.placement import Copies, Parts
from pnag_jax.training.sharding import DATA

PyTree = Any
Metrics = Mapping[str, jax.Array]

STRATEGIES = ("pmap", "mesh")
_SHUFFLE = np.uint32(2**32 - 1)  # fold_in value of the permutation; steps count from 0


class StepFn(Protocol):
    """One update.

    ``(state, batch, key, axis_name) -> (state, metrics)``: ``batch`` leaves
    are ``[B / D, ...]`` under pmap and ``[B, ...]`` otherwise; ``key`` is the
    same on every device (see :func:`example_keys`); the new state has the
    structure, shapes and dtypes of the old; metrics are scalars or small
    arrays, equal on all devices.
    """

    def __call__(
        self, state: PyTree, batch: PyTree, key: jax.Array, axis_name: str | None
    ) -> tuple[PyTree, Metrics]: ...


def mean_over(x: PyTree, axis_name: str | None) -> PyTree:
    """The mean of every leaf over the devices; ``x`` itself without an axis.

    For gradients too, of a loss over local examples as of one over examples
    from :func:`gather_over`: both are then the gradient on one device.
    """
    return x if axis_name is None else jax.lax.pmean(x, axis_name)


def sum_over(x: PyTree, axis_name: str | None) -> PyTree:
    """The sum of every leaf over the devices; ``x`` itself without an axis."""
    return x if axis_name is None else jax.lax.psum(x, axis_name)


def gather_over(x: PyTree, axis_name: str | None) -> PyTree:
    """All devices' examples, ``[b, ...] -> [D b, ...]``; ``x`` itself without an axis."""
    if axis_name is None:
        return x
    return jax.lax.all_gather(x, axis_name, axis=0, tiled=True)


def example_keys(key: jax.Array, count: int, axis_name: str | None) -> jax.Array:
    """A key for each local example, the same whatever the number of devices.

    Args:
      key: the step's key, consumed.
      count: number of local examples, ``b``.
      axis_name: as the step function got it.

    Returns:
      Keys ``[b]``.
    """
    first = 0 if axis_name is None else jax.lax.axis_index(axis_name) * count
    return jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, first + jnp.arange(count))


class Epoch:
    """All steps of one epoch as one dispatch; made by :func:`make_epoch`.

    Attributes:
      batch_size: ``B``.
      steps_per_epoch: ``S``.
      strategy: "pmap" or "mesh".
      devices: the ``D`` devices.
      spans: whether other processes have some of them; all methods must then
        be called by all of these processes.
    """

    def __init__(
        self,
        step: StepFn,
        *,
        batch_size: int,
        steps_per_epoch: int,
        strategy: str,
        devices: Sequence[jax.Device],
        model: int = 1,
    ):
        """See :func:`make_epoch`."""
        self.batch_size = batch_size
        self.steps_per_epoch = steps_per_epoch
        self.strategy = strategy
        self.devices = tuple(devices)
        self._step = step
        self._model = model
        self._programs: dict[Any, Any] = {}
        self.spans = any(d.process_index != jax.process_index() for d in self.devices)
        self._placement: Copies | Parts
        if strategy == "pmap":
            self._placement = Copies(self.devices)
            self._run = jax.pmap(
                functools.partial(self._steps, DATA),
                axis_name=DATA,
                in_axes=(0, None, None, None),
                out_axes=(0, None),
                devices=self.devices,
                donate_argnums=0,
            )
        else:
            self._placement = Parts(self.devices, model)
            self._run = jax.jit(
                functools.partial(self._steps, None),
                # None: as the state itself is constrained.
                out_shardings=(None, self._placement.everywhere),
                donate_argnums=0,
            )
        self._everywhere = self._placement.everywhere

    def place(self, state: PyTree) -> PyTree:
        """Copies a state, of host or device arrays, to the devices.

        The caller's arrays stay whole: :meth:`run` donates only the copy.
        """
        return self._placement.place(state)

    def place_data(self, data: PyTree) -> PyTree:
        """Puts the data, leaves ``[M, ...]``, whole on every device.

        Raises:
          UsageError: leaves disagree on ``M``, or an epoch needs more than
            ``M`` examples.
        """
        sizes = {int(np.shape(leaf)[0]) for leaf in jax.tree.leaves(data)}
        if len(sizes) != 1:
            raise UsageError(f"data: arrays of {sorted(sizes)} examples; one number is needed")
        (size,) = sizes
        if self.batch_size * self.steps_per_epoch > size:
            raise UsageError(
                f"batch_size={self.batch_size}, steps_per_epoch={self.steps_per_epoch}:"
                f" an epoch draws without replacement and there are {size} examples"
            )
        return hosts.put(data, self._everywhere)

    def run(
        self, state: PyTree, data: PyTree, key: jax.Array, epoch: int
    ) -> tuple[PyTree, Metrics]:
        """Runs one epoch.

        Args:
          state: from :meth:`place` or a previous run; donated.
          data: from :meth:`place_data`.
          key: the run's key, the same for every epoch, consumed.  Epoch ``e``
            shuffles with ``fold_in(key, e)`` (and a constant); its step ``s``
            gets ``fold_in(fold_in(key, e), s)``: a resume needs no saved key.
          epoch: which one, from 0.

        Returns:
          The new state, and the metrics of each step, leaves ``[S, ...]``.
        """
        key, number = hosts.put((key, np.int32(epoch)), self._everywhere)
        program = self._programs.get(_shapes(state, data), self._run)
        return program(state, data, key, number)

    def compile(self, state: PyTree, data: PyTree, key: jax.Array) -> None:
        """Compiles :meth:`run` for these shapes, without running it.

        Args:
          state: placed; stays whole.
          data: placed.
          key: the run's key.
        """
        shapes = _shapes(state, data)
        # Across processes what pmap compiles takes the rows of all, not one's own.
        if shapes not in self._programs and not (self.strategy == "pmap" and self.spans):
            key, number = hosts.put((key, np.int32(0)), self._everywhere)
            self._programs[shapes] = self._run.lower(state, data, key, number).compile()

    def shortened(self, steps: int) -> Epoch:
        """The same, with epochs of at most ``steps`` steps."""
        return Epoch(
            self._step,
            batch_size=self.batch_size,
            steps_per_epoch=min(steps, self.steps_per_epoch),
            strategy=self.strategy,
            devices=self.devices,
            model=self._model,
        )

    def fetch(self, state: PyTree) -> PyTree:
        """A copy of a placed state on the host, as :meth:`place` takes it.

        numpy arrays; typed PRNG keys on the first device.
        """
        return self._placement.fetch(state)

    def share(self, state: PyTree) -> PyTree:
        """A placed state for checkpoints of all processes: arrays over all devices.

        Leaves without the copies' axis; those that the mesh splits stay split.
        """
        return self._placement.share(state)

    def join(self, shared: PyTree) -> PyTree:
        """Inverse of :meth:`share`."""
        return self._placement.join(shared)

    def shapes(self, state: PyTree) -> PyTree:
        """What :meth:`share` gives for a state like this, as ``jax.ShapeDtypeStruct``."""
        return self._placement.shapes(state)

    def _steps(
        self,
        axis_name: str | None,
        state: PyTree,
        data: PyTree,
        key: jax.Array,
        number: jax.Array,
    ) -> tuple[PyTree, Metrics]:
        """The traced epoch; on one device's share under pmap."""
        where = self._placement
        key = jax.random.fold_in(key, number)
        size = jax.tree.leaves(data)[0].shape[0]
        order = jax.random.permutation(jax.random.fold_in(key, _SHUFFLE), size)
        order = order[: self.steps_per_epoch * self.batch_size]
        rows = order.reshape(self.steps_per_epoch, self.batch_size)
        if axis_name is not None:
            local = self.batch_size // len(self.devices)
            first = jax.lax.axis_index(axis_name) * local
            rows = jax.lax.dynamic_slice_in_dim(rows, first, local, axis=1)

        def body(state: PyTree, inputs: tuple[jax.Array, jax.Array]) -> tuple[PyTree, Metrics]:
            s, row = inputs
            if isinstance(where, Parts):
                # All that the compiler needs to split the work on the batch.
                row = jax.lax.with_sharding_constraint(row, where.split)
            batch = jax.tree.map(lambda x: x.at[row].get(mode="promise_in_bounds"), data)
            state, metrics = self._update(state, batch, jax.random.fold_in(key, s), axis_name)
            return spread(state), metrics

        # After the loop once more, or the compiler chooses for what leaves it.
        spread = where.spread if isinstance(where, Parts) else lambda state: state
        state, metrics = jax.lax.scan(body, state, (jnp.arange(self.steps_per_epoch), rows))
        return spread(state), metrics

    def _update(
        self, state: PyTree, batch: PyTree, key: jax.Array, axis_name: str | None
    ) -> tuple[PyTree, Metrics]:
        if not isinstance(self._placement, Parts):
            return self._step(state, batch, key, axis_name)
        # For sharding.split_examples.
        with jax.sharding.use_abstract_mesh(self._placement.mesh.abstract_mesh):
            return self._step(state, batch, key, axis_name)


def make_epoch(
    step: StepFn,
    *,
    batch_size: int,
    steps_per_epoch: int,
    strategy: str = "pmap",
    devices: Sequence[jax.Device] | None = None,
    model: int = 1,
) -> Epoch:
    """Compiles ``step`` into an epoch over devices.

    Args:
      step: one update.
      batch_size: ``B``, over all devices.
      steps_per_epoch: ``S``; ``S B`` examples at most as there are.
      strategy: "pmap" or "mesh".
      devices: all local ones by default.
      model: how many devices share one copy of the state, under "mesh".

    Raises:
      UsageError: an unknown strategy; a batch size or step count below 1; a
        ``model`` that does not divide the devices, or under "pmap"; a batch
        that the devices do not divide.
    """
    devices = jax.local_devices() if devices is None else devices
    if strategy not in STRATEGIES:
        raise UsageError(f"strategy={strategy}: unknown; one of {', '.join(STRATEGIES)}")
    for name, value in (("batch_size", batch_size), ("steps_per_epoch", steps_per_epoch)):
        if value < 1:
            raise UsageError(f"{name}={value}: must be at least 1")
    if strategy == "pmap" and model != 1:
        raise UsageError(f"mesh.model={model}: accepted with --strategy=mesh alone")
    if batch_size % len(devices):
        near = math.ceil(batch_size / len(devices)) * len(devices)
        raise UsageError(
            f"batch_size={batch_size}: the {len(devices)} devices do not divide it; {near} would do"
        )
    return Epoch(
        step,
        batch_size=batch_size,
        steps_per_epoch=steps_per_epoch,
        strategy=strategy,
        devices=devices,
        model=model,
    )


def _shapes(*trees: PyTree) -> Any:
    leaves, structure = jax.tree.flatten(trees)
    return structure, tuple((x.shape, x.dtype) for x in leaves)
