"""Parameters and multiply-accumulates of a module, from shapes alone.

Nothing is computed: the module is traced with abstract arrays, and the
products of its convolutions and matrix multiplications are counted in the
trace.  A branch that data decide counts as its most expensive case.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
from jax.extend.core import jaxprs_in_params


def params(module: nn.Module, *inputs: Any) -> int:
    """Trainable numbers of a module.

    Args:
      module: of flax.
      *inputs: what it is called with, arrays or ``jax.ShapeDtypeStruct``.
    """
    return sum(math.prod(x.shape) for x in jax.tree.leaves(_variables(module, inputs)["params"]))


def flops(module: nn.Module, *inputs: Any, dense_bias: bool = False) -> int:
    """Multiply-accumulates of one call that is not training.

    Args:
      module: of flax.
      *inputs: as for ``params``; the batch counts, so give one example.
      dense_bias: whether the bias of a dense layer counts one an output too,
        as NAS-Bench-201 counts it.
    """
    biases = 0

    def count_bias(call: Any, args: Any, kwargs: Any, context: Any) -> Any:
        nonlocal biases
        result = call(*args, **kwargs)
        if isinstance(context.module, nn.Dense) and context.method_name == "__call__":
            biases += math.prod(result.shape) if context.module.use_bias else 0
        return result

    variables = _variables(module, inputs)
    with nn.intercept_methods(count_bias):
        counted = products(module.apply, variables, *inputs)
    return counted + dense_bias * biases


def products(function: Callable[..., Any], *inputs: Any) -> int:
    """Multiply-accumulates of one call of any function; ``inputs`` as for ``params``."""
    return _products(jax.make_jaxpr(function)(*inputs).jaxpr)


def _variables(module: nn.Module, inputs: tuple[Any, ...]) -> Any:
    return jax.eval_shape(module.init, jax.random.key(0), *inputs)


def _products(jaxpr: Any) -> int:
    """Scalar products in a trace, those of inner traces included."""
    total = 0
    for equation in jaxpr.eqns:
        name, settings = equation.primitive.name, equation.params
        shapes = [getattr(x.aval, "shape", ()) for x in (*equation.invars, *equation.outvars)]
        if name == "dot_general":
            (contracted, _), _ = settings["dimension_numbers"]
            total += math.prod(shapes[-1]) * math.prod(shapes[0][i] for i in contracted)
        elif name == "conv_general_dilated":
            # Kernel entries a channel out are what one output pixel takes.
            features = shapes[1][settings["dimension_numbers"].rhs_spec[0]]
            total += math.prod(shapes[-1]) * math.prod(shapes[1]) // features
        elif name == "cond":
            total += max(_products(branch.jaxpr) for branch in settings["branches"])
        else:
            times = settings["length"] if name == "scan" else 1
            total += times * sum(map(_products, jaxprs_in_params(settings)))
    return total
