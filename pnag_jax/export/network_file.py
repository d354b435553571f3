"""A network as a Python file, which needs flax and JAX and, where it can be, nothing else."""

from __future__ import annotations

import dataclasses
import pprint
import textwrap
from collections.abc import Mapping
from typing import Any

import flax.linen as nn

from pnag_jax.errors import UserError
from pnag_jax.export import source
from pnag_jax.export.source import Name


def as_source(network: nn.Module, config: Mapping[str, Any]) -> str:
    """The network's definitions, its config, and a function that makes it.

    The modules keep their names, so that the parameters are the same pytree and
    the outputs the same numbers.  A network that hangs together with too much of
    this package to be taken out of it is imported from it; the file says so.

    Args:
      network: of ``networks.build``: a module with the fields ``genotype``,
        ``num_classes`` and ``skeleton``.
      config: what to write as ``CONFIG``: plain values.

    Returns:
      The text of a Python module with ``CONFIG`` and ``network()``.
    """
    kind = type(network)
    fields = {
        field.name: getattr(network, field.name)
        for field in dataclasses.fields(kind)
        if field.init and field.name not in ("parent", "name")
    }
    kinds = [kind, *(type(value) for value in fields.values() if dataclasses.is_dataclass(value))]
    names = [Name(each.__module__, each.__qualname__) for each in kinds]
    try:
        definitions, needs = source.bundle(names), "jax and flax"
    except UserError as error:
        imports = [f"from {name.module} import {name.name}" for name in names]
        definitions = "\n".join(["import flax.linen as nn", "", *imports, ""])
        needs = f"jax, flax and pnag_jax (it {error})"
    about = textwrap.fill(
        f"An architecture of the space {config.get('space')}: {config.get('architecture')}", 96
    )
    docstring = (
        f"{about}\n\n"
        f"Needs {needs}.\n"
        "network().init(key, input) makes parameters, network().apply(variables, input)\n"
        "computes.  Written by pnag_jax.export.\n"
    )
    arguments = ", ".join(f"{name}={value!r}" for name, value in fields.items())
    return (
        f'r"""{docstring}"""\n\n'
        f"{definitions}\n\n"
        f"CONFIG = {pprint.pformat(dict(config), width=96, sort_dicts=False)}\n\n\n"
        "def network() -> nn.Module:\n"
        '    """The network, not initialised."""\n'
        f"    return {kind.__name__}({arguments})\n"
    )
