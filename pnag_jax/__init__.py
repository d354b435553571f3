"""Neural architectures generated coarse to fine, in JAX.

The public surface is one list of subpackages and modules, each loaded when it
is first used:

* ``spaces``: what an architecture is; ``spaces.get(name)``.
* ``benchmarks``: tables of real measurements, and the ledger before them.
* ``quantization``, ``losses``: the pure parts of the quantizer.
* ``datasets``: labelled images that networks train on.
* ``generation``: training a generator, and drawing from it without a network.
* ``methods``: search methods on one ask / tell contract.
* ``networks``: the flax networks that architectures describe.
* ``reports``: drawings of architectures and the page of a run.

>>> import pnag_jax
>>> space = pnag_jax.spaces.get("nb201")
>>> space.to_string([3, 3, 3, 3, 3, 3]).count("nor_conv_3x3")
6
>>> pnag_jax.quantization.scale_schedule(space.num_nodes)
(3, 4, 5, 6, 7, 8)

Training a generator of a space takes about a minute on two cores::

    generator = pnag_jax.generation.train(jax.random.key(0), space)
    genotypes = pnag_jax.generation.generate(jax.random.key(1), generator, 1000)
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pnag_jax import (
        benchmarks,
        datasets,
        export,
        generation,
        losses,
        methods,
        networks,
        quantization,
        reports,
        spaces,
    )

__version__ = "0.1.0"

__all__ = [
    "__version__",
    "benchmarks",
    "datasets",
    "export",
    "generation",
    "losses",
    "methods",
    "networks",
    "quantization",
    "reports",
    "spaces",
]


def __getattr__(name: str) -> ModuleType:
    # Loaded when used: one part costs no more than what it needs itself.
    if name in __all__:
        return importlib.import_module(f"pnag_jax.{name}")
    raise AttributeError(f"module 'pnag_jax' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
