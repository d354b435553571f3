"""Which codes a network has to predict: the tokens of the next-scale prior.

All codes of a scale are predicted at once, independently of each other given
the scales before.  Regions of a coarse map overlap, so that its codes share
most of what they say: drawn independently they would contradict each other.
A coarse code therefore becomes a token only if it says something new, and
nearly nothing that another token of its scale says.

Of the codes that the decoder reads, those that one or two tokens determine are
looked up; the others are tokens too.

Letters: ``M`` architectures, ``D`` codes each, of which ``P`` are tokens, in
``T`` scales; ``V`` values of a code, ``R`` codes that are looked up.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np


class Layout(NamedTuple):
    """Where tokens stand and where other codes come from; hashable, thus static.

    Attributes:
      scales: ``T`` tuples of positions; scales without tokens are left out.
      looked_up: ``R`` triples: a position, and two tokens that determine it,
        counted from 0 to ``P - 1``.
      length: ``D``.
    """

    scales: tuple[tuple[int, ...], ...]
    looked_up: tuple[tuple[int, int, int], ...]
    length: int

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of tokens of every scale."""
        return tuple(len(positions) for positions in self.scales)

    @property
    def positions(self) -> tuple[int, ...]:
        """Positions of all tokens, scale after scale."""
        return tuple(itertools.chain(*self.scales))


@flax.struct.dataclass
class Tokens:
    """A layout, and the values of what is looked up.

    Attributes:
      layout: static.
      tables: int32 ``[R, V, V]``, by the values of the two tokens.
    """

    layout: Layout = flax.struct.field(pytree_node=False)
    tables: jax.Array

    def of(self, codes: np.ndarray) -> np.ndarray:
        """The tokens of code strings: ``[m, D] -> [m, P]``."""
        return codes[:, list(self.layout.positions)]

    def spread(self, tokens: jax.Array, read: frozenset[int]) -> list[jax.Array | None]:
        """The codes that a decoder reads.

        Args:
          tokens: int ``[n, P]``.
          read: their positions.

        Returns:
          ``D`` arrays int ``[n]``, None where nothing is read.
        """
        codes: list[jax.Array | None] = [None] * self.layout.length
        for column, position in enumerate(self.layout.positions):
            if position in read:
                codes[position] = tokens[:, column]
        for table, (position, a, b) in zip(self.tables, self.layout.looked_up, strict=True):
            codes[position] = table[tokens[:, a], tokens[:, b]]
        return codes


def choose(
    codes: np.ndarray,
    scale_of: np.ndarray,
    read: frozenset[int],
    num_values: int,
    *,
    max_shared: float = 0.1,
    min_new: float = 0.05,
    split_last: bool = False,
) -> Tokens:
    """Chooses the tokens of a training set.

    Args:
      codes: int ``[M, D]``, coarse to fine.
      scale_of: int ``[D]``, the scale of each code.
      read: positions that the decoder reads.
      num_values: ``V``.
      max_shared: bits, given the tokens of coarser scales, that a coarse
        token may share with those of its own scale.
      min_new: bits that a coarse token must add.
      split_last: predict the last scale in two passes, what is new there and
        nearly independent first: where coarse scales leave much open, its
        codes would contradict each other.
    """
    groups = [np.flatnonzero(scale_of == scale).tolist() for scale in np.unique(scale_of)]
    groups[-1] = [i for i in groups[-1] if i in read] if split_last else []
    coarse = _coarse(codes, groups, max_shared, min_new)
    fine, parents = _read(codes, sorted(read - set(coarse)), coarse)
    turn = {i: (scale_of[i], split_last and i in fine) for i in coarse + fine}
    positions = sorted(turn, key=lambda i: (turn[i], i))
    column = {position: i for i, position in enumerate(positions)}
    layout = Layout(
        scales=tuple(
            tuple(group) for _, group in itertools.groupby(positions, key=turn.__getitem__)
        ),
        looked_up=tuple((x, column[a], column[b]) for x, (a, b) in parents.items()),
        length=codes.shape[1],
    )
    tables = [_table(codes[:, [x, a, b]], num_values) for x, (a, b) in parents.items()]
    stacked = np.array(tables, np.int32).reshape(-1, num_values, num_values)
    return Tokens(layout, jnp.asarray(stacked))


def _coarse(
    codes: np.ndarray, groups: Sequence[Sequence[int]], max_shared: float, min_new: float
) -> list[int]:
    """Tokens among positions of each scale: greedily the code that says most.

    Entropies are those of the training set: once its tokens tell all ``M``
    architectures apart, nothing is seen to be new.
    """
    labels = [np.unique(column, return_inverse=True)[1] for column in codes.T]
    chosen: list[int] = []
    context = np.zeros(len(codes), np.int64)
    for group in groups:
        candidates = [i for i in group if labels[i].any()]
        joint, before = context, _entropy(context)
        alone = {i: _entropy(_pair(context, labels[i])) - before for i in candidates}
        while candidates:
            known = _entropy(joint)
            new = {i: _entropy(_pair(joint, labels[i])) - known for i in candidates}
            candidates = [
                i for i in candidates if new[i] >= min_new and alone[i] - new[i] <= max_shared
            ]
            if candidates:
                best = max(candidates, key=new.__getitem__)
                candidates.remove(best)
                chosen.append(best)
                joint = _pair(joint, labels[best])
        context = joint
    return chosen


def _read(
    codes: np.ndarray, wanted: Sequence[int], given: Sequence[int]
) -> tuple[list[int], dict[int, tuple[int, int]]]:
    """Splits positions that are read into new tokens and what two tokens determine.

    Args:
      codes: int ``[M, D]``.
      wanted: positions that are read and not given.
      given: tokens so far.

    Returns:
      The new tokens, and of every other position the two that determine it.
    """
    tokens: list[int] = []
    parents: dict[int, tuple[int, int]] = {}
    # A position that determines many others should be a token before those are.
    alone = {a: {x for x in wanted if _determines(codes, (a, a), x)} for a in wanted}
    for position in sorted(wanted, key=lambda a: (-len(alone[a]), a)):
        # The finest first: they are most alike.
        known = sorted([*given, *tokens], reverse=True)
        trials = itertools.chain(((a, a) for a in known), itertools.combinations(known, 2))
        found = next((pair for pair in trials if _determines(codes, pair, position)), None)
        if found is None:
            tokens.append(position)
        else:
            parents[position] = found
    return tokens, parents


def _determines(codes: np.ndarray, pair: tuple[int, int], position: int) -> bool:
    """Whether a code is a function of two others in every architecture."""
    # Most pairs fail within the first few.
    for part in (codes[:256], codes):
        first, second = (part[:, i].astype(np.int64) for i in pair)
        context = first * (part.max() + 1) + second
        lowest = np.full(context.max() + 1, np.iinfo(part.dtype).max, part.dtype)
        np.minimum.at(lowest, context, part[:, position])
        if (lowest[context] != part[:, position]).any():
            return False
    return True


def _table(columns: np.ndarray, num_values: int) -> np.ndarray:
    """A code by the values of the two that determine it: ``[M, 3] -> [V, V]``.

    Pairs that no architecture has get what is commonest with the first of
    them, or at all.
    """
    value, first, second = columns.T
    table = np.full((num_values, num_values), np.bincount(value).argmax(), np.int32)
    for v in np.unique(first):
        table[v] = np.bincount(value[first == v]).argmax()
    table[first, second] = value
    return table


def _pair(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Labels of the distinct pairs, without gaps: ``[M], [M] -> [M]``."""
    return np.unique(a * (b.max() + 1) + b, return_inverse=True)[1]


def _entropy(labels: np.ndarray) -> float:
    """Bits an architecture."""
    share = np.bincount(labels) / len(labels)
    return float(-(share * np.log2(share)).sum())
