"""On which examples each rectifier of a network is on.

The network is not asked to tell: its trace is evaluated step by step, and what
goes into a rectifier is looked at on the way.  So any function of JAX will do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend import core

from pnag_jax.errors import UsageError

# Traces under these names have a threshold at 0.
NAMES = ("relu", "relu6", "silu", "hard_silu", "leaky_relu", "elu")


def agreement(forward: Callable[[jax.Array], Any], inputs: jax.Array) -> jax.Array:
    """How many rectifiers do the same for two examples: float ``[B, B]``.

    Args:
      forward: of the network.  Rectifiers are ``jax.nn``'s functions of the names
        ``NAMES``, with inputs ``[B, ...]``, also within conditionals and scans.
      inputs: ``[B, ...]``.

    Raises:
      UsageError: there are no rectifiers, or some in a loop of unknown length.
    """
    closed = jax.make_jaxpr(forward)(inputs)
    if not _has_rectifiers(closed.jaxpr):
        raise UsageError(f"a network without rectifiers; accepted are {', '.join(NAMES)}")
    start = jnp.zeros((len(inputs), len(inputs)), jnp.result_type(float))
    _, found = _evaluate(closed.jaxpr, closed.consts, [inputs], start)
    return found


def _evaluate(
    jaxpr: core.Jaxpr, consts: Sequence[Any], args: Sequence[Any], seen: jax.Array
) -> tuple[list[Any], jax.Array]:
    """Outputs of a trace, and ``seen`` with what its rectifiers add."""
    values: dict[Any, Any] = dict(
        zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *args], strict=True)
    )

    def read(variable: Any) -> Any:
        return variable.val if isinstance(variable, core.Literal) else values[variable]

    for equation in jaxpr.eqns:
        given = [read(variable) for variable in equation.invars]
        if _is_rectifier(equation):
            seen = seen + _alike(given[0])
        if not _is_rectifier(equation) and any(map(_has_rectifiers, _inner(equation))):
            outputs, seen = _evaluate_inner(equation, given, seen)
        else:
            # Releases differ in where they put the functions that a call takes.
            bound = equation.primitive.get_bind_params(equation.params)
            functions, settings = bound if isinstance(bound, tuple) else ((), bound)
            found = equation.primitive.bind(*functions, *given, **settings)
            outputs = found if equation.primitive.multiple_results else [found]
        values.update(zip(equation.outvars, outputs, strict=True))
    return [read(variable) for variable in jaxpr.outvars], seen


def _evaluate_inner(
    equation: Any, given: list[Any], seen: jax.Array
) -> tuple[list[Any], jax.Array]:
    """A step that has traces of its own with rectifiers in them."""
    settings = equation.params
    if equation.primitive.name == "cond":
        branches = [_branch(branch) for branch in settings["branches"]]
        return jax.lax.switch(given[0], branches, given[1:], seen)
    if equation.primitive.name == "scan":
        return _scan(settings, given, seen)
    if equation.primitive.name == "while":
        raise UsageError("a network with rectifiers in a while loop; accepted are scans")
    # Calls, of whatever kind, are evaluated in their place.
    (inner,) = _inner(equation)
    consts = settings.get("jaxpr", settings.get("call_jaxpr"))
    return _evaluate(inner, getattr(consts, "consts", ()), given, seen)


def _branch(closed: core.ClosedJaxpr) -> Callable:
    return lambda args, seen: _evaluate(closed.jaxpr, closed.consts, args, seen)


def _scan(
    settings: dict[str, Any], given: list[Any], seen: jax.Array
) -> tuple[list[Any], jax.Array]:
    num_consts, num_carry = settings["num_consts"], settings["num_carry"]
    consts, carry = given[:num_consts], given[num_consts : num_consts + num_carry]
    closed = settings["jaxpr"]

    def step(state: tuple[list[Any], jax.Array], xs: list[Any]) -> tuple[Any, list[Any]]:
        carry, seen = state
        outputs, seen = _evaluate(closed.jaxpr, closed.consts, [*consts, *carry, *xs], seen)
        return (outputs[:num_carry], seen), outputs[num_carry:]

    (carry, seen), stacked = jax.lax.scan(
        step,
        (carry, seen),
        given[num_consts + num_carry :],
        length=settings["length"],
        reverse=settings["reverse"],
    )
    return [*carry, *stacked], seen


def _alike(x: jax.Array) -> jax.Array:
    """``[B, ...] -> [B, B]``, of how many entries the signs are the same."""
    on = (x > 0).reshape(len(x), -1).astype(jnp.result_type(float))
    return on @ on.T + (1 - on) @ (1 - on).T


def _is_rectifier(equation: Any) -> bool:
    return equation.params.get("name") in NAMES and bool(_inner(equation))


def _inner(equation: Any) -> list[core.Jaxpr]:
    return list(core.jaxprs_in_params(equation.params))


def _has_rectifiers(jaxpr: core.Jaxpr) -> bool:
    return any(
        _is_rectifier(equation) or any(map(_has_rectifiers, _inner(equation)))
        for equation in jaxpr.eqns
    )
