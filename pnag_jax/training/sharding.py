"""Where the parts of a state live on a mesh of devices.

The mesh has two axes: over both of them batches are split, over ``model``
parameters and optimizer state too (ZeRO, Rajbhandari et al., 2020, section 5):
the parameters of a layer are gathered where it is used, and the sum of its
gradients is split again.  Which axis of an array is split follows from its
shape alone, so that a state that exists only as ``jax.eval_shape`` can be
placed too.

Letters: ``D`` devices, ``m`` of them along ``model``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from pnag_jax.errors import UsageError

PyTree = Any

DATA, MODEL = "data", "model"

# Smaller arrays are whole on every device: to gather one costs more than it saves.
LEAST_ELEMENTS = 1024
# So are vectors, one a layer or many: those whose second longest axis is shorter.
LEAST_ROWS = 32


def make_mesh(devices: Sequence[jax.Device], model: int | None = 1) -> Mesh:
    """The mesh ``[D / m, m]`` of axes ``data`` and ``model``.

    Args:
      devices: all of the mesh.
      model: ``m``; None leaves that axis out.

    Raises:
      UsageError: ``model`` does not divide the number of devices.
    """
    count = len(devices)
    if model is None:
        return jax.make_mesh((count,), (DATA,), (AxisType.Auto,), devices=tuple(devices))
    if model < 1 or count % model:
        fitting = ", ".join(str(m) for m in range(1, count + 1) if count % m == 0)
        raise UsageError(f"mesh.model={model}: accepted are divisors of {count} devices: {fitting}")
    # Explicit axes, the default, would refuse plain look-ups over a split axis.
    kinds = (AxisType.Auto, AxisType.Auto)
    return jax.make_mesh((count // model, model), (DATA, MODEL), kinds, devices=tuple(devices))


def shardings(tree: PyTree, mesh: Mesh) -> PyTree:
    """A sharding for every leaf.

    Args:
      tree: arrays, or ``jax.ShapeDtypeStruct`` as from ``jax.eval_shape``.
      mesh: from :func:`make_mesh`.

    Returns:
      ``NamedSharding`` leaves in the structure of ``tree``.
    """
    size = mesh.shape[MODEL]
    return jax.tree.map(lambda x: NamedSharding(mesh, partition(tuple(x.shape), size)), tree)


def split_examples(x: jax.Array) -> jax.Array:
    """Keeps the first axis, of examples, split over all devices of the mesh.

    To be asked for before and after a product with parameters: of two arrays
    that are split over the same devices the compiler else often gathers the
    activations, which are larger by far.  ``x`` itself where the trace is
    under no mesh with a model axis, see ``jax.sharding.use_abstract_mesh``.
    """
    mesh = jax.sharding.get_abstract_mesh()
    if mesh.empty or mesh.shape.get(MODEL, 1) == 1:
        return x
    return jax.lax.with_sharding_constraint(x, PartitionSpec(mesh.axis_names))


def partition(shape: tuple[int, ...], model: int) -> PartitionSpec:
    """Which axis of one array is split over ``model``, if any.

    The longest that can be divided, in ties the last.

    >>> tuple(partition((64, 256), 2))
    (None, 'model')
    >>> tuple(partition((12, 2048), 2))  # the biases of twelve layers
    ()
    """
    vectors = len(shape) < 2 or sorted(shape)[-2] < LEAST_ROWS
    if model == 1 or vectors or math.prod(shape) < LEAST_ELEMENTS:
        return PartitionSpec()
    axes = [axis for axis, size in enumerate(shape) if size % model == 0]
    if not axes:
        return PartitionSpec()
    chosen = max(axes, key=lambda axis: (shape[axis], axis))
    return PartitionSpec(*(MODEL if axis == chosen else None for axis in range(len(shape))))
