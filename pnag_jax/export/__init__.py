"""An architecture for use elsewhere: as Python source, as StableHLO, as ONNX.

What is exported is a network of ``pnag_jax.networks``; its parameters are the
variables that ``init`` or a training gives, in the same pytree everywhere.
"""

from __future__ import annotations

from pnag_jax.export.inputs import example_input
from pnag_jax.export.network_file import as_source
from pnag_jax.export.onnx_file import to_onnx
from pnag_jax.export.stablehlo import call, to_stablehlo

__all__ = ["as_source", "call", "example_input", "to_onnx", "to_stablehlo"]
