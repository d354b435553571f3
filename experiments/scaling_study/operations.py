"""Operations of a traced program's matrix products, loops counted as often as they run."""

from __future__ import annotations

import math
from typing import Any


def matmul_flops(jaxpr: Any) -> int:
    """Multiplications and additions of all ``dot_general``, of whole arrays.

    What XLA counts of a compiled loop is one turn of it; a ``scan`` says how
    many there are.  A ``while`` counts once, of a ``cond`` the dearest branch.

    >>> import jax, jax.numpy as jnp
    >>> def f(x):
    ...     return jax.lax.scan(lambda x, _: (x @ x, None), x, length=3)[0]
    >>> matmul_flops(jax.make_jaxpr(f)(jnp.zeros((8, 8))))
    3072

    Args:
      jaxpr: from ``jax.make_jaxpr``, or of ``jax.jit(f).trace(...)``.
    """
    total = 0
    for equation in getattr(jaxpr, "jaxpr", jaxpr).eqns:
        name, inner = equation.primitive.name, _inner(equation.params)
        if name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            left = equation.invars[0].aval.shape
            summed = math.prod(left[axis] for axis in contracted)
            total += 2 * math.prod(equation.outvars[0].aval.shape) * summed
        elif name == "cond":
            total += max(matmul_flops(branch) for branch in inner)
        else:
            times = equation.params["length"] if name == "scan" else 1
            total += times * sum(matmul_flops(part) for part in inner)
    return total


def _inner(params: dict[str, Any]) -> list[Any]:
    """The programs among an equation's parameters."""
    found = []
    for value in params.values():
        for part in value if isinstance(value, (tuple, list)) else (value,):
            if hasattr(getattr(part, "jaxpr", part), "eqns"):
                found.append(part)
    return found
