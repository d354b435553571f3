"""Generation without a network: a count model over the codes of all scales.

Every code is drawn from the codes that the training architectures have in the
same context, the context being the values of a few earlier codes.  Contexts
seen too rarely are shortened (a context tree), so that no table needs
smoothing.  Building it is one pass of sorting and counting; drawing is a walk
through tables, one position after the other, and one word of an alias table.

Letters: ``M`` architectures, ``D`` codes each, ``V`` values of a code, ``n``
samples.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from pnag_jax.generation import alias, context


class Tables(NamedTuple):
    """All tables of a count model, each kind in one flat array.

    Few arrays make a cheap call, and offsets known beforehand cost nothing.

    Attributes:
      children: uint32.  From a node of a context tree and the value of the next
        parent to a node of the next level, at ``offset + node * V + value``; a
        context that is not continued stays itself.
      words: uint32, ``alias.words`` of every leaf.
      start, length: int32, each leaf's slice of ``values``; these and the
        following serve weighted counts.
      values: int32 ``[D M]``, the training codes of each position sorted by
        context.
      order: int32 ``[D M]``, the architecture that each of them is from.
    """

    children: jax.Array
    words: jax.Array
    start: jax.Array
    length: jax.Array
    values: jax.Array
    order: jax.Array


class Layout(NamedTuple):
    """Where a position's tables lie; static.

    Attributes:
      parents: earlier positions that make the context.
      children: offset of every level's table, one a parent.
      leaves: offset into ``start`` and ``length``.
      words: offset into ``words``.
      columns_bits: a leaf has ``2 ** columns_bits`` words.
    """

    parents: tuple[int, ...]
    children: tuple[int, ...]
    leaves: int
    words: int
    columns_bits: int


@flax.struct.dataclass
class CountModel:
    """What ``fit`` returns; a pytree whose layout is static.

    Attributes:
      tables: the counts.
      layouts: ``D`` of them, coarse to fine.
      order: the positions in the order in which they are drawn; contexts are of
        positions before.
      num_values: ``V``.
      num_trained: ``M``.
    """

    tables: Tables
    layouts: tuple[Layout, ...] = flax.struct.field(pytree_node=False)
    order: tuple[int, ...] = flax.struct.field(pytree_node=False)
    num_values: int = flax.struct.field(pytree_node=False)
    num_trained: int = flax.struct.field(pytree_node=False)


def fit(
    codes: np.ndarray,
    num_values: int,
    *,
    max_parents: int = 4,
    min_gain: float = 0.01,
    min_count: int = 8,
    first: Iterable[int] = (),
) -> CountModel:
    """Counts a training set.

    Args:
      codes: int ``[M, D]``.
      num_values: ``V``.
      max_parents: length of a context at most.
      min_gain: see ``context.choose_parents``.
      min_count: architectures under which a context is shortened.
      first: positions that are drawn before all others, which otherwise come one
        after the other.
    """
    codes = np.asarray(codes)
    leading = sorted(first)
    order = (*leading, *(i for i in range(codes.shape[1]) if i not in set(leading)))
    found = context.choose_parents(
        codes[:, order], num_values, max_parents=max_parents, min_gain=min_gain
    )
    parents_of = {i: tuple(order[j] for j in row) for i, row in zip(order, found, strict=True)}
    levels: list[np.ndarray] = []
    words: list[np.ndarray] = []
    leaves: list[np.ndarray] = []
    values: list[np.ndarray] = []
    orders: list[np.ndarray] = []
    layouts = []
    for position in range(codes.shape[1]):
        parents = parents_of[position]
        contexts = codes[:, list(parents)]
        # lexsort's last key comes first; without parents any order will do.
        rows = np.lexsort(contexts.T[::-1]) if parents else np.arange(len(codes))
        tree, slices = _context_tree(contexts[rows], num_values, min_count)
        sorted_values = codes[rows, position]
        leaf_words, columns_bits = alias.words(_counted(sorted_values, slices, num_values))
        offsets = np.cumsum([sum(x.size for x in levels), *(x.size for x in tree)])
        layouts.append(
            Layout(
                parents=parents,
                children=tuple(map(int, offsets[:-1])),
                leaves=sum(x.shape[1] for x in leaves),
                words=sum(x.size for x in words),
                columns_bits=columns_bits,
            )
        )
        levels += [x.ravel() for x in tree]
        words.append(leaf_words.ravel())
        leaves.append(slices + np.array([[position * len(codes)], [0]]))
        values.append(sorted_values)
        orders.append(rows)
    start, length = np.concatenate(leaves, axis=1)
    tables = Tables(
        children=jnp.asarray(np.concatenate([np.zeros(0), *levels]), jnp.uint32),
        words=jnp.asarray(np.concatenate(words)),
        start=jnp.asarray(start, jnp.int32),
        length=jnp.asarray(length, jnp.int32),
        values=jnp.asarray(np.concatenate(values), jnp.int32),
        order=jnp.asarray(np.concatenate(orders), jnp.int32),
    )
    return CountModel(tables, tuple(layouts), order, num_values, len(codes))


def _counted(values: np.ndarray, slices: np.ndarray, num_values: int) -> np.ndarray:
    """How often each value stands in each slice: ``[M], [2, leaves] -> [leaves, V]``."""
    start, length = slices
    leaf = np.repeat(np.arange(len(length)), length)
    inside = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
    joint = leaf * num_values + values[np.repeat(start, length) + inside]
    return np.bincount(joint, minlength=len(length) * num_values).reshape(-1, num_values)


def _context_tree(
    contexts: np.ndarray, num_values: int, min_count: int
) -> tuple[list[np.ndarray], np.ndarray]:
    """The tree of lexicographically sorted contexts ``[M, parents]``.

    Returns:
      For each level a table ``[nodes, V]`` of the next level's nodes, and the
      leaves' start and length ``[2, leaves]``.
    """
    # Nodes in order, those that may be split further in the order of their rows.
    start, stop, splits = np.array([0]), np.array([len(contexts)]), np.array([True])
    levels = []
    for column in contexts.T:
        # Rare and unseen values keep the shorter context: a node stays, its children follow.
        low, high, parent = _runs(column, start, stop, np.flatnonzero(splits))
        kept = high - low >= min_count
        low, high, parent = low[kept], high[kept], parent[kept]
        children = np.bincount(parent, minlength=len(start))
        stays = np.arange(len(start)) + np.cumsum(children) - children
        follows = parent + 1 + np.arange(len(parent))
        table = np.repeat(stays[:, None].astype(np.int32), num_values, axis=1)
        table[parent, column[low]] = follows
        levels.append(table)
        count = len(start) + len(parent)
        start, stop, splits = (
            _placed(count, (stays, old), (follows, new))
            for old, new in ((start, low), (stop, high), (np.zeros(len(start), bool), kept[kept]))
        )
    return levels, np.stack([start, stop - start])


def _runs(
    column: np.ndarray, start: np.ndarray, stop: np.ndarray, owners: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Runs of equal values within nodes: where they begin and end, and whose they are."""
    if not len(owners):
        return owners, owners, owners
    low = np.union1d(start[owners], np.flatnonzero(np.diff(column)) + 1)
    place = np.searchsorted(start[owners], low, side="right") - 1
    owner = owners[np.maximum(place, 0)]
    inside = (place >= 0) & (low < stop[owner])
    low, owner = low[inside], owner[inside]
    return low, np.minimum(np.append(low, len(column))[1:], stop[owner]), owner


def _placed(count: int, *parts: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """An array of ``count`` values, given as indices and values."""
    array = np.empty(count, parts[0][1].dtype)
    for indices, values in parts:
        array[indices] = values
    return array


def ancestors(model: CountModel, wanted: frozenset[int]) -> frozenset[int]:
    """The positions that must be drawn to know ``wanted``, those included."""
    needed = set(wanted)
    for position in reversed(model.order):
        if position in needed:
            needed.update(model.layouts[position].parents)
    return frozenset(needed)


def in_order(model: CountModel, wanted: frozenset[int]) -> list[int]:
    """``ancestors``, in the order in which they are drawn."""
    needed = ancestors(model, wanted)
    return [i for i in model.order if i in needed]


def draw(
    key: jax.Array,
    model: CountModel,
    n: int,
    *,
    wanted: frozenset[int] | None = None,
    weights: jax.Array | None = None,
) -> list[jax.Array | None]:
    """Draws ``n`` code strings.

    Args:
      key: consumed.
      model: the tables.
      n: number of samples.
      wanted: positions that the caller reads, all if None; others are drawn
        only if a context needs them.  A position's draw does not depend on
        which others are wanted.
      weights: non-negative ``[M]``, one an architecture of the training set:
        counts become weighted counts.  A context whose architectures all
        weigh nothing is counted without weights.

    Returns:
      ``D`` arrays int32 ``[n]``, None where a position was not needed.
    """
    total = len(model.layouts)
    needed = in_order(model, frozenset(range(total)) if wanted is None else wanted)
    codes = extend(seeds(key, n), model, nothing(model, n), needed, weights=weights)
    return [codes[i].astype(jnp.int32) if i in set(needed) else None for i in range(total)]


def seeds(key: jax.Array, n: int) -> jax.Array:
    """Random words from which all codes of ``n`` samples are drawn: uint32 ``[2, n]``."""
    return jax.random.bits(key, (2, n), jnp.uint32)


def nothing(model: CountModel, n: int) -> jax.Array:
    """Code strings of which no position is drawn yet: ``[D, n]``."""
    # The codes drawn so far should stay in the caches.
    compact = jnp.uint8 if alias.value_bits(model.num_values) <= 8 else jnp.uint16
    return jnp.zeros((len(model.layouts), n), compact)


def extend(
    seeds: jax.Array,
    model: CountModel,
    codes: jax.Array,
    positions: Sequence[int],
    *,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Draws further positions of begun code strings.

    Args:
      seeds: from the function of that name; uint32 ``[2, n]``.
      model: the tables.
      codes: of all positions, ``[D, n]``.
      positions: to draw, in order; their parents are drawn or among them.
      weights: as in ``draw``.

    Returns:
      The codes with those positions filled in, ``[D, n]``.
    """
    tables = model.tables
    bits = alias.value_bits(model.num_values)
    units = None if weights is None else _as_units(weights)

    def draw_one(codes: jax.Array, where: _Place) -> tuple[jax.Array, None]:
        node = jnp.zeros(codes.shape[1], jnp.uint32)
        for level in range(where.parents.shape[0]):
            value = codes[where.parents[level]].astype(jnp.uint32)
            index = where.children[level] + node * jnp.uint32(model.num_values) + value
            inside = level < where.depth
            node = jnp.where(inside, _look_up(tables.children, jnp.where(inside, index, 0)), node)
        random = hashed_bits(seeds, where.position)
        column = alias.column(where.columns_bits, random)
        word = _look_up(tables.words, where.words + (node << where.columns_bits) + column)
        drawn = alias.choose(word, where.columns_bits, random, bits)
        if units is not None:
            first = where.position * model.num_trained
            rows = jax.lax.dynamic_slice_in_dim(tables.order, first, model.num_trained)
            start = _look_up(tables.start, where.leaves + node)
            length = _look_up(tables.length, where.leaves + node)
            slot = _weighted_slot(units[rows], start - first, length, as_uniform(random))
            value = _look_up(tables.values, first + jnp.maximum(slot, 0))
            drawn = jnp.where(slot < 0, drawn, value.astype(jnp.uint32))
        return codes.at[where.position].set(drawn.astype(codes.dtype)), None

    # A loop, not one copy of its body a position: those take minutes to compile.
    return jax.lax.scan(draw_one, codes, _places(model, positions))[0]


class _Place(NamedTuple):
    """The layouts of the positions to draw, padded to the longest context."""

    position: jax.Array
    depth: jax.Array
    parents: jax.Array
    children: jax.Array
    leaves: jax.Array
    words: jax.Array
    columns_bits: jax.Array


def _places(model: CountModel, positions: Sequence[int]) -> _Place:
    """Leaves ``[positions]`` and ``[positions, most parents]``, in order."""
    layouts = [model.layouts[i] for i in positions]
    most = max((len(layout.parents) for layout in layouts), default=0)

    def padded(rows: list[tuple[int, ...]]) -> jax.Array:
        full = [row + (0,) * (most - len(row)) for row in rows]
        return jnp.asarray(np.array(full, np.uint32).reshape(len(rows), most))

    return _Place(
        position=jnp.asarray(positions, jnp.int32),
        depth=jnp.asarray([len(layout.parents) for layout in layouts], jnp.int32),
        parents=padded([layout.parents for layout in layouts]),
        children=padded([layout.children for layout in layouts]),
        leaves=jnp.asarray([layout.leaves for layout in layouts], jnp.uint32),
        words=jnp.asarray([layout.words for layout in layouts], jnp.uint32),
        columns_bits=jnp.asarray([layout.columns_bits for layout in layouts], jnp.uint32),
    )


def _as_units(weights: jax.Array) -> jax.Array:
    """Weights as whole numbers whose sum an int32 holds; only 0 becomes 0.

    Sums of floats are rounded, and would now and then choose what weighs nothing.
    """
    room = np.float32(2**31 - 2 * len(weights) - 2**12)
    share = weights / jnp.maximum(weights.sum(), jnp.finfo(weights.dtype).tiny)
    units = jnp.maximum((share * room).astype(jnp.int32), 1)
    return jnp.where(weights > 0, units, 0)


def _weighted_slot(
    units: jax.Array, start: jax.Array, length: jax.Array, u: jax.Array
) -> jax.Array:
    """Inverts each slice's weighted distribution function: ``[n]``, -1 without weight."""
    cumulative = jnp.concatenate([jnp.zeros(1, jnp.int32), jnp.cumsum(units)])
    low = cumulative[start]
    total = cumulative[start + length] - low
    # Rounded to float32, u * total may reach total itself.
    chosen = low + jnp.minimum((u * total).astype(jnp.int32), total - 1)
    slot = jnp.searchsorted(cumulative, chosen, side="right").astype(jnp.int32) - 1
    return jnp.where(total > 0, slot, -1)


def _look_up(table: jax.Array, index: jax.Array) -> jax.Array:
    """A gather whose indices are known to be in bounds."""
    return table.at[index].get(mode="promise_in_bounds")


def hashed_bits(seeds: jax.Array, position: ArrayLike) -> jax.Array:
    """Random words uint32 ``[n]``, one a sample, from two random words each.

    ``jax.random`` would need one word a code, and words bound the speed of
    generation on CPUs.  This mixes the sample's words with the position by
    two rounds of a 32-bit multiply-xorshift finalizer.

    Args:
      seeds: uint32 ``[2, n]``.
      position: which number of the sample.
    """
    x = seeds[0] + (
        jnp.asarray(position, jnp.uint32) * jnp.uint32(0x9E3779B9) + jnp.uint32(0x7F4A7C15)
    )
    return mix(mix(x) ^ seeds[1])


def as_uniform(words: jax.Array) -> jax.Array:
    """Random words as float32 in [0, 1)."""
    # 24 bits are what float32 holds exactly.
    return (words >> 8).astype(jnp.float32) * jnp.float32(2**-24)


def mix(x: jax.Array) -> jax.Array:
    """A bijection of uint32 with good avalanche (xorshift-multiply)."""
    x = (x ^ (x >> 16)) * jnp.uint32(0x7FEB352D)
    x = (x ^ (x >> 15)) * jnp.uint32(0x846CA68B)
    return x ^ (x >> 16)
