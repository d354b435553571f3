"""A network as ONNX, where the package jax2onnx is installed.

The converter has its own view of some layers of flax and does not take all of
their arguments, so it is given the trace of the network and not the network.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from typing import Any

import flax.linen as nn
import jax
from jax.extend.core import jaxpr_as_fun

from pnag_jax.errors import UsageError, UserError


def to_onnx(network: nn.Module, variables: Any, example: jax.ShapeDtypeStruct) -> bytes:
    """The network's forward pass with its parameters as an ONNX model.

    Args:
      network: called with one array; not training.
      variables: arrays, as ``init`` or a training gives them.
      example: shape and dtype of the input, the batch size included: the model
        takes no other.

    Raises:
      UsageError: jax2onnx is not installed.
      UserError: it cannot convert the network.
    """
    try:
        converter = importlib.import_module("jax2onnx")
    except ImportError as error:
        raise UsageError(
            f"ONNX needs the package jax2onnx, which cannot be imported ({error}); "
            "pip install 'pnag_jax[onnx]'"
        ) from error
    traced = jax.make_jaxpr(lambda x: network.apply(variables, x))(example)
    function = jaxpr_as_fun(traced)
    try:
        # It prints what it does; standard output is for results.
        with contextlib.redirect_stdout(sys.stderr):
            model = converter.to_onnx(lambda x: function(x)[0], [example])
        return bytes(model.SerializeToString())
    # A converter meets operations that it does not know in many ways.
    except Exception as error:
        reason = str(error).splitlines() or [type(error).__name__]
        raise UserError(f"the network cannot be converted to ONNX: {reason[0]}") from error
