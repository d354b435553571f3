"""Where the parts of a state live on a mesh of devices.

The mesh has two axes: ``data``, over which batches are split, and ``model``,
over which parameters and optimizer state are split.  Which axis of an array is
split follows from its name and shape alone, so that a state that exists only
as ``jax.eval_shape`` can be placed too.

Letters: ``D`` devices, ``m`` of them along ``model``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from pnag_jax.errors import UsageError

PyTree = Any

DATA, MODEL = "data", "model"

# Smaller arrays are whole on every device: to gather one costs more than it saves.
LEAST_ELEMENTS = 1024


class Rule(NamedTuple):
    """The preferred axis of some arrays.

    Attributes:
      pattern: regular expression that is searched for in a leaf's path, for
        instance ``"'qkv'.*'kernel'"``; moments of an optimizer have the path
        of their parameter in theirs.
      axis: the axis to split, negative ones from the end.
    """

    pattern: str
    axis: int


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


def shardings(tree: PyTree, mesh: Mesh, rules: Sequence[Rule] = ()) -> PyTree:
    """A sharding for every leaf.

    Args:
      tree: arrays, or ``jax.ShapeDtypeStruct`` as from ``jax.eval_shape``.
      mesh: from :func:`make_mesh`.
      rules: the first that fits a leaf's path counts.

    Returns:
      ``NamedSharding`` leaves in the structure of ``tree``.
    """
    size = mesh.shape[MODEL]

    def choose(path: Any, leaf: Any) -> NamedSharding:
        name = jax.tree_util.keystr(path)
        return NamedSharding(mesh, partition(name, tuple(leaf.shape), size, rules))

    return jax.tree_util.tree_map_with_path(choose, tree)


def partition(
    name: str, shape: tuple[int, ...], model: int, rules: Sequence[Rule] = ()
) -> PartitionSpec:
    """Which axis of one array is split over ``model``, if any.

    The axis of the first rule that fits; where none fits, or its axis cannot
    be divided, the longest that can, in ties the last.

    >>> tuple(partition(".params['up']['kernel']", (64, 256), 2))
    (None, 'model')
    >>> tuple(partition(".params['down']['kernel']", (64, 256), 2, [Rule("down", 0)]))
    ('model', None)
    >>> tuple(partition(".params['up']['bias']", (256,), 2))
    ()
    """
    if model == 1 or math.prod(shape) < LEAST_ELEMENTS:
        return PartitionSpec()
    axes = sorted(range(len(shape)), key=lambda i: (shape[i], i), reverse=True)
    rule = next((rule for rule in rules if re.search(rule.pattern, name)), None)
    if rule is not None and -len(shape) <= rule.axis < len(shape):
        axes.insert(0, rule.axis % len(shape))
    for axis in axes:
        if shape[axis] % model == 0:
            return PartitionSpec(*(MODEL if i == axis else None for i in range(len(shape))))
    return PartitionSpec()
