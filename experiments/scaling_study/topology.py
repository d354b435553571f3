"""A TPU slice that is not there: its name checked, and devices to compile for.

The compiler in ``libtpu`` needs no TPU.  It is no requirement of the project:
``pip install "pnag_jax[tpu]"`` brings the release that fits the installed JAX.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import math
import os
import re
from typing import Any, NamedTuple

import jax

from experiments.scaling_study.chips import CHIPS, Chip
from pnag_jax.errors import UsageError

# What libtpu would otherwise ask a server for that only TPU machines have, and its log.
_ENVIRONMENT = {
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_ACCELERATOR_TYPE": "v5litepod-1",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_WORKER_ID": "0",
    "TPU_STDERR_LOG_LEVEL": "3",
    "TPU_MIN_LOG_LEVEL": "3",
    # No device is opened, so that compilers may run side by side.
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
}
_INSTALL = 'pip install "pnag_jax[tpu]" brings it'


# Of a process that compiles: it runs nothing, and libtpu ends it for flags of CPUs and GPUs.
ENVIRONMENT = {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": ""}


class Slice(NamedTuple):
    """A slice by name: ``v5e:16x16``."""

    generation: str
    shape: tuple[int, ...]

    @property
    def chip(self) -> Chip:
        """What each chip can do."""
        return CHIPS[self.generation]

    @property
    def num_chips(self) -> int:
        """Number of chips."""
        return math.prod(self.shape)

    @property
    def name(self) -> str:
        """As the flag has it."""
        return f"{self.generation}:{'x'.join(map(str, self.shape))}"


def parse(name: str) -> Slice:
    """The slice of that name.

    >>> parse("v5e:4x4").num_chips
    16

    Raises:
      UsageError: there is no such slice; the message lists those that there are.
    """
    generation, _, sides = name.partition(":")
    if generation not in CHIPS:
        known = "; ".join(_listed(g) for g in CHIPS)
        raise UsageError(f"--topology={name}: there is no such slice; accepted are {known}")
    shape = (
        tuple(int(side) for side in sides.split("x")) if re.fullmatch(r"[\dx]*\d", sides) else ()
    )
    if shape not in CHIPS[generation].shapes:
        raise UsageError(
            f"--topology={name}: there is no such slice; accepted are {_listed(generation)}"
        )
    return Slice(generation, shape)


def _listed(generation: str) -> str:
    return ", ".join(Slice(generation, shape).name for shape in CHIPS[generation].shapes)


def library_version() -> str:
    """The version of the installed libtpu.

    Raises:
      UsageError: none is installed, or one that is older than JAX asks for.  A
        newer one is taken: it reads what older releases of JAX write.
    """
    try:
        importlib.import_module("libtpu")
        found = importlib.metadata.version("libtpu")
    except ImportError as error:
        raise UsageError(
            f"--topology: libtpu, which compiles for TPUs, is not installed; {_INSTALL}"
        ) from error
    wanted = wanted_version()
    if wanted and _numbers(found) < _numbers(wanted):
        raise UsageError(
            f"--topology: libtpu {found} is too old; JAX {jax.__version__} takes {wanted} and"
            f" later; {_INSTALL}"
        )
    return found


def wanted_version() -> str | None:
    """The release of libtpu that the installed JAX names: ``0.0.42``."""
    for line in importlib.metadata.requires("jax") or []:
        matched = re.match(r"libtpu\s*[=~>]=\s*([\d.]*\d)", line)
        if matched:
            return matched.group(1)
    return None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version))


def devices(found: Slice) -> list[Any]:
    """The devices of a slice, to compile for and not to run on.

    Raises:
      UsageError: libtpu is missing or does not fit.
    """
    library_version()
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    from jax.experimental import topologies

    # A host has four chips unless told otherwise; some releases refuse to divide one.
    alone = {"chips_per_host_bounds": (1, 1, 1)} if found.num_chips == 1 else {}
    try:
        description = topologies.get_topology_desc(found.name, "tpu", **found.chip.options, **alone)
    except Exception as error:  # jaxlib raises RuntimeError and its own kinds
        raise UsageError(f"--topology={found.name}: libtpu refuses: {error}") from error
    return list(description.devices)
