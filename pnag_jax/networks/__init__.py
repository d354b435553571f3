"""The flax networks that architectures describe.  One file a space, one row here.

A file has a ``Skeleton`` (what surrounds the searched part; its defaults are the
literature's), a ``Network`` of one genotype, and where it is natural a
``Population``: the same with the genotype as data and parameters for all of
them, so that many architectures are trained by one compiled program.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import flax.linen as nn
import numpy as np
from jax.typing import ArrayLike

from pnag_jax import spaces
from pnag_jax.errors import UsageError
from pnag_jax.networks import autoformer, darts, gpt2, macro, mnasnet, mobilenetv3, nb101, nb201

_REGISTRY: dict[str, ModuleType] = {
    "autoformer": autoformer,
    "darts": darts,
    "gpt2": gpt2,
    "macro": macro,
    "mnasnet": mnasnet,
    "mobilenetv3": mobilenetv3,
    "nb101": nb101,
    "nb201": nb201,
}


def names() -> tuple[str, ...]:
    """Names of the spaces that have networks, sorted."""
    return tuple(sorted(_REGISTRY))


def build(
    space_name: str, genotype: ArrayLike | Sequence[int], num_classes: int, **skeleton: Any
) -> nn.Module:
    """The network of one architecture, not initialised.

    Args:
      space_name: one of ``names()``.
      genotype: int ``[L]``, in the space's encoding.
      num_classes: logits.
      **skeleton: fields of the space's ``Skeleton``.

    Raises:
      UsageError: an unknown space or field, a genotype of another length or out
        of range, a number below 1.

    >>> build("nb201", [3, 3, 3, 3, 3, 3], 10, channels=4, cells=1).skeleton
    Skeleton(channels=4, cells=1)
    """
    module = _module(space_name)
    try:
        genes = spaces.get(space_name).check(np.asarray(genotype))
    except spaces.SpaceError as error:
        raise UsageError(str(error)) from error
    return module.Network(
        genotype=tuple(genes.tolist()),
        num_classes=_classes(num_classes),
        skeleton=_skeleton(space_name, module, skeleton),
    )


def has_population(space_name: str) -> bool:
    """Whether many architectures of a space train as one; ``UsageError`` as ``build``."""
    return hasattr(_module(space_name), "Population")


def population(space_name: str, num_classes: int, **skeleton: Any) -> nn.Module:
    """The network that takes a genotype as data; arguments and errors as ``build``.

    Raises:
      UsageError: also where the space has no such network.
    """
    module = _module(space_name)
    if not has_population(space_name):
        raise UsageError(f"space {space_name!r}: its networks train one at a time only")
    return module.Population(
        num_classes=_classes(num_classes), skeleton=_skeleton(space_name, module, skeleton)
    )


def has_branches(space_name: str) -> bool:
    """Whether a space has ``branches``; ``UsageError`` as ``build``."""
    return hasattr(_module(space_name), "Branches")


def branches(space_name: str, num_classes: int, **skeleton: Any) -> nn.Module:
    """The network whose operations are branches that a genotype chooses.

    For looking into many networks: layers, kernels and rectifiers are those of
    ``build``.  Arguments and errors as there.

    Raises:
      UsageError: also where the space has no such network.
    """
    module = _module(space_name)
    if not has_branches(space_name):
        raise UsageError(f"space {space_name!r}: its networks are built one by one only")
    return module.Branches(
        num_classes=_classes(num_classes), skeleton=_skeleton(space_name, module, skeleton)
    )


def _module(space_name: str) -> ModuleType:
    if space_name not in _REGISTRY:
        raise UsageError(f"space {space_name!r} has no networks; accepted are {', '.join(names())}")
    return _REGISTRY[space_name]


def _classes(given: int) -> int:
    if given < 1:
        raise UsageError(f"num_classes = {given}; accepted are numbers of at least 1")
    return int(given)


def _skeleton(space_name: str, module: ModuleType, given: Mapping[str, Any]) -> Any:
    defaults: dict[str, Any] = {
        field.name: field.default for field in dataclasses.fields(module.Skeleton)
    }
    for name, value in given.items():
        if name not in defaults:
            raise UsageError(
                f"skeleton of {space_name}: no field {name!r}; accepted are {', '.join(defaults)}"
            )
        kind = type(defaults[name])
        if type(value) is not kind or (kind is int and value < 1):
            least = " of at least 1" if kind is int else ""
            raise UsageError(
                f"skeleton of {space_name}: {name} = {value!r}; accepted are values of type"
                f" {kind.__name__}{least}"
            )
    return module.Skeleton(**given)


__all__ = ["branches", "build", "has_branches", "has_population", "names", "population"]
