"""A network as StableHLO, by ``jax.export``: runs on other versions and devices.

The compiled function is ``(variables, input) -> output`` of a network that is not
training.  The batch size stays open where the network allows it.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.export
import numpy as np

from pnag_jax.errors import DataError, UsageError, UserError

PLATFORMS = ("cpu", "cuda", "rocm", "tpu")


def to_stablehlo(
    network: nn.Module,
    variables: Any,
    example: jax.ShapeDtypeStruct,
    platforms: Sequence[str] = PLATFORMS,
) -> bytes:
    """The network's forward pass, serialized.

    Args:
      network: called with one array.
      variables: arrays or shapes, as ``init`` gives them.
      example: shape ``[B, ...]`` and dtype of the input; every ``B`` is
        accepted later.
      platforms: where the function must run.

    Raises:
      UserError: the network cannot be exported.
      UsageError: the package flatbuffers, which jax.export writes with, is missing.
    """
    _require_flatbuffers()
    shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), variables)
    (batch,) = jax.export.symbolic_shape("b")
    any_batch = jax.ShapeDtypeStruct((batch, *example.shape[1:]), example.dtype)
    try:
        exported = jax.export.export(jax.jit(network.apply), platforms=platforms)(shapes, any_batch)
        return bytes(exported.serialize())
    # Tracing a module of anyone may fail in any way.
    except Exception as error:
        reason = str(error).splitlines() or [type(error).__name__]
        raise UserError(f"the network cannot be exported to StableHLO: {reason[0]}") from error


def call(serialized: bytes) -> Callable[[Any, np.ndarray | jax.Array], jax.Array]:
    """The function ``(variables, input) -> output`` of ``to_stablehlo``'s bytes.

    Raises:
      DataError: the bytes are damaged or of something else.
      UsageError: as ``to_stablehlo``.
    """
    _require_flatbuffers()
    try:
        return jax.export.deserialize(bytearray(serialized)).call
    except Exception as error:
        reason = str(error).splitlines() or [type(error).__name__]
        raise DataError(f"is no serialized function of jax.export: {reason[0]}") from error


def _require_flatbuffers() -> None:
    if importlib.util.find_spec("flatbuffers") is None:
        raise UsageError("StableHLO needs the package flatbuffers: pip install flatbuffers")
