"""The canonical form of NAS-Bench-Graph, as tables over all 59,049 genotypes.

What the benchmark takes for the same network:

* A skip that something reads, or that is all that its father feeds, passes
  its input on.  It leaves the tree and its sons move up.
* A skip that reads the input, past such skips, and that nobody reads adds
  nothing: the input has not the width of a hidden layer, and the network
  leaves it out of the output.
* Any other skip, beside other operations, adds its father's output to the
  output and stays.
* For every skip that left, one stands in front of the whole tree, so that
  there are four operations again.
* The order of sons does not matter.

The representative of a class is its member of lowest index among those that
these rules leave as they are.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator

import numpy as np

# The father of each operation, 0 being the input: one list a rooted tree.
LINKS = (
    (0, 0, 0, 0),
    (0, 0, 0, 1),
    (0, 0, 1, 1),
    (0, 0, 1, 2),
    (0, 0, 1, 3),
    (0, 1, 1, 1),
    (0, 1, 1, 2),
    (0, 1, 2, 2),
    (0, 1, 2, 3),
)
OPS = ("gat", "gcn", "gin", "cheb", "sage", "arma", "graph", "fc", "skip")
SKIP = OPS.index("skip")
CHOICES = (len(LINKS), *(len(OPS),) * len(LINKS[0]))

# The sons of a node: (operation, its own sons) of each.
Forest = tuple[tuple[int, "Forest"], ...]


def genotypes() -> itertools.product:
    """All genotypes by index."""
    return itertools.product(*map(range, CHOICES))


def forest(link: int, ops: tuple[int, ...], father: int = 0) -> Forest:
    """The operations that read ``father``, each with those that read it."""
    return tuple(
        (ops[i], forest(link, ops, i + 1))
        for i, source in enumerate(LINKS[link])
        if source == father
    )


def reduced(sons: Forest, of_input: bool = True) -> Forest:
    """``sons`` without the skips that leave the tree."""
    sons = tuple(_without_inner_skips(sons))
    skips_leave = of_input or len(sons) == 1
    return tuple(
        (op, reduced(grandsons, of_input=False))
        for op, grandsons in sons
        if op != SKIP or not skips_leave
    )


def _without_inner_skips(sons: Forest) -> Iterator[tuple[int, Forest]]:
    for op, grandsons in sons:
        if op == SKIP and grandsons:
            yield from _without_inner_skips(grandsons)
        else:
            yield op, grandsons


def ordered(sons: Forest) -> Forest:
    """One value for every order of sons."""
    return tuple(sorted((op, ordered(grandsons)) for op, grandsons in sons))


def _size(sons: Forest) -> int:
    return sum(1 + _size(grandsons) for _, grandsons in sons)


def _filled(sons: Forest) -> Forest:
    """Four operations again, with skips in front."""
    for _ in range(len(LINKS[0]) - _size(sons)):
        sons = ((SKIP, sons),)
    return sons


@functools.cache
def _trees() -> tuple[Forest, ...]:
    """The tree that each genotype writes, by index."""
    return tuple(ordered(forest(link, tuple(ops))) for link, *ops in genotypes())


@functools.cache
def _index_of_tree() -> dict[Forest, int]:
    """Lowest index of the genotypes that write a tree."""
    lowest: dict[Forest, int] = {}
    for index, tree in enumerate(_trees()):
        lowest.setdefault(tree, index)
    return lowest


@functools.cache
def _representative(sons: Forest) -> int:
    return _index_of_tree()[ordered(_filled(reduced(sons)))]


@functools.cache
def canonical_index() -> np.ndarray:
    """Index of the representative of every genotype: int32 ``[59049]``."""
    result = [
        # Without a skip nothing leaves the tree; a short cut for most.
        _representative(tree) if SKIP in ops else _index_of_tree()[tree]
        for tree, (_, *ops) in zip(_trees(), genotypes(), strict=True)
    ]
    return np.array(result, np.int32)


@functools.cache
def valid_indices() -> np.ndarray:
    """Representatives with an operation other than skip: int32 ``[26206]``."""
    representatives = np.unique(canonical_index())
    ops = np.stack(np.unravel_index(representatives, CHOICES), axis=-1)[:, 1:]
    return representatives[(ops != SKIP).any(-1)]


@functools.cache
def sub_index(num_ops: int) -> np.ndarray:
    """Index of the coarse version of every genotype: int32 ``[59049]``.

    That of the genotype's canonical form, with at most ``num_ops`` operations.
    """
    canonical = canonical_index()
    representatives, members = np.unique(canonical, return_inverse=True)
    genes = np.stack(np.unravel_index(representatives, CHOICES), axis=-1).tolist()
    coarse = [_representative(_first(link, tuple(ops), num_ops)) for link, *ops in genes]
    return np.array(coarse, np.int32)[members]


def _first(link: int, ops: tuple[int, ...], num_ops: int) -> Forest:
    """The tree of the first ``num_ops`` operations of a canonical genotype.

    Skips count last, and those in front, which compute nothing, last of all.
    Fathers stand before sons, so that what goes has no sons but where it is a
    skip in front.
    """
    in_front = [set(ops[: i + 1]) == {SKIP} for i in range(len(ops))]
    by_rank = sorted(range(len(ops)), key=lambda i: (in_front[i], ops[i] == SKIP, i))
    kept = set(by_rank[:num_ops])

    def grow(father: int) -> Forest:
        return tuple(
            node
            for i, source in enumerate(LINKS[link])
            if source == father
            for node in ([(ops[i], grow(i + 1))] if i in kept else grow(i + 1))
        )

    return grow(0)
