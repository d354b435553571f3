"""Cells of DARTS as arrays: order of inputs, canonical order of nodes.

A cell has two inputs, numbered 0 and 1, and four nodes, 2 to 5.  A node adds up
two operations on earlier tensors; its genes are ``(source, operation)`` twice.
The output concatenates the nodes.

Letters: ``[..., 4, 4]`` cells, a row of four genes a node.
"""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np

NUM_INPUTS = 2
NUM_INNER = 4
NUM_OPS = 7

# (node, source) of every possible link, as they lie in ``[4, 6]``.
_LINKS = tuple(itertools.product(range(NUM_INNER), range(NUM_INPUTS + NUM_INNER)))
# Those that point forward, in the order in which cells are compared.
_FORWARD = tuple((node, source) for node, source in _LINKS if source < NUM_INPUTS + node)
_ORDERS = tuple(itertools.permutations(range(NUM_INNER)))
# Digits of a cell in base 8, 0 for no link, in two numbers that float32 holds exactly.
_RADIX = NUM_OPS + 1
_DIGITS = len(_FORWARD) // 2
_BACKWARD = np.float32(_RADIX) ** (_DIGITS + 1)


def _weights() -> np.ndarray:
    """What an operation at every link adds, for every order: ``[24 links, 2, 24 orders]``.

    A link that would point backwards adds more than all numbers.
    """
    weights = np.zeros((len(_LINKS), 2, len(_ORDERS)), np.float32)
    for column, order in enumerate(_ORDERS):
        for row, (node, source) in enumerate(_LINKS):
            new = source if source < NUM_INPUTS else NUM_INPUTS + order[source - NUM_INPUTS]
            if (order[node], new) in _FORWARD:
                half, digit = divmod(_FORWARD.index((order[node], new)), _DIGITS)
                weights[row, half, column] = np.float32(_RADIX) ** (_DIGITS - 1 - digit)
            else:
                weights[row, 0, column] = _BACKWARD
    return weights


_WEIGHTS = _weights()
# Where each of [4, 6] stands among the forward links; the last place is none.
_PLACES = np.array(
    [_FORWARD.index(link) if link in _FORWARD else len(_FORWARD) for link in _LINKS]
).reshape(NUM_INNER, NUM_INPUTS + NUM_INNER)


def distinct(cells: jax.Array) -> jax.Array:
    """Whether every node has two different sources: ``[..., 4, 4] -> bool [...]``."""
    return jnp.all(cells[..., 0] != cells[..., 2], axis=-1)


def ordered(cells: jax.Array) -> jax.Array:
    """The two inputs of every node by source, then operation: ``[..., 4, 4]``."""
    first, second = cells[..., :2], cells[..., 2:]
    swapped = jnp.concatenate([second, first], axis=-1)
    later = _rank(first) > _rank(second)
    return jnp.where(later[..., None], swapped, cells)


def _rank(pair: jax.Array) -> jax.Array:
    return pair[..., 0] * NUM_OPS + pair[..., 1]


def canonical(cells: jax.Array) -> jax.Array:
    """One form for all isomorphic cells, exact: ``[..., 4, 4] -> [..., 4, 4]``.

    Of all orders of the nodes in which links point forward, the one in which the
    operations, written link by link with 0 for none, are smallest.  The output
    concatenates all nodes, so that their order does not matter to what a cell can
    compute.  Cells with a doubled source keep their order.
    """
    cells = ordered(cells)
    sources, ops = cells[..., 0::2], cells[..., 1::2]
    linked = jax.nn.one_hot(sources, NUM_INPUTS + NUM_INNER) * (ops[..., None] + 1)
    flat = linked.sum(axis=-2).reshape(*cells.shape[:-2], len(_LINKS))
    high, low = (flat @ _WEIGHTS[:, half] for half in range(2))
    smallest = high.min(axis=-1)
    low = jnp.where(high == smallest[..., None], low, jnp.inf).min(axis=-1)
    reordered = _from_links(jnp.concatenate([_digits(smallest), _digits(low)], axis=-1))
    return jnp.where(distinct(cells)[..., None, None], reordered, cells)


def _digits(number: jax.Array) -> jax.Array:
    """Base 8, the first digit slowest: ``[...] -> int32 [..., 7]``."""
    place = _RADIX ** np.arange(_DIGITS, dtype=np.int32)[::-1]
    return number.astype(jnp.int32)[..., None] // place % _RADIX


def _from_links(digits: jax.Array) -> jax.Array:
    """Cells of two links a node: ``[..., 14] -> int32 [..., 4, 4]``."""
    padded = jnp.pad(digits, [(0, 0)] * (digits.ndim - 1) + [(0, 1)])
    links = padded[..., _PLACES]  # [..., 4, 6], 0 for none
    there = links > 0
    first = jnp.argmax(there, axis=-1)
    second = links.shape[-1] - 1 - jnp.argmax(there[..., ::-1], axis=-1)
    sources = jnp.stack([first, second], axis=-1)
    ops = jnp.take_along_axis(links, sources, axis=-1) - 1
    genes = jnp.stack([sources, ops], axis=-1)
    return genes.reshape(*genes.shape[:-2], 4).astype(jnp.int32)
