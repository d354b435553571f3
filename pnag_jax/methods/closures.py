"""Compiles functions that close over large arrays: a generator's tables, a table's features.

``jax.jit`` writes the arrays of a closure into the program, several copies of them while
it is compiled: for a space of long strings, gigabytes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax

PyTree = Any


def jit(function: Callable[[PyTree], PyTree]) -> Callable[[PyTree], PyTree]:
    """``jax.jit`` of a function of one tree; the arrays that it closes over are arguments.

    Args:
      function: pure; what it closes over, and what is static in its tree, must not
        change.

    Returns:
      The compiled function; it is traced once for every structure, shape and dtype of
      the tree.
    """
    # A few searches take turns; an entry holds the arrays of its closure.
    trace = functools.lru_cache(maxsize=4)(functools.partial(_trace, function))

    def call(tree: PyTree) -> PyTree:
        leaves, structure = jax.tree.flatten(tree)
        run, arrays, result = trace(structure, tuple(map(jax.typeof, leaves)))
        return jax.tree.unflatten(result, run(arrays, *leaves))

    return call


def _trace(
    function: Callable[[PyTree], PyTree], structure: Any, types: tuple[Any, ...]
) -> tuple[Callable, list[Any], Any]:
    """The program of a function, the arrays that it closes over, and its result's structure."""
    closed, shapes = jax.make_jaxpr(function, return_shape=True)(
        jax.tree.unflatten(structure, types)
    )

    @jax.jit
    def run(arrays: list[Any], *leaves: jax.Array) -> list[jax.Array]:
        return jax.core.eval_jaxpr(closed.jaxpr, arrays, *leaves)

    return run, closed.consts, jax.tree.structure(shapes)
