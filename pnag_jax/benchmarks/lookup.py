"""From genotypes to rows of a table, exactly and many at a time."""

from __future__ import annotations

import numpy as np

# The largest value that one word of a key may count to.
_WORD_LIMIT = 2**62


class RowIndex:
    """A read-only index over the rows of an integer matrix.

    A genotype is written as one or more 62-bit words in mixed radix.  Each
    word is replaced by its rank among the rows, and ranks are merged word by
    word, so that equal keys mean equal genotypes whatever their length: there
    is no hash and nothing to collide.

    Args:
      genotypes: int ``[M, L]``, every gene in ``0 .. choices[i] - 1``.
      choices: number of values of each gene, ``L`` of them.
    """

    def __init__(self, genotypes: np.ndarray, choices: tuple[int, ...]):
        self._choices = np.asarray(choices, np.int64)
        self._words = _split(choices)
        keys = np.zeros(len(genotypes), np.int64)
        # Sorted distinct values, one pair a word: of the word, of the merged key.
        self._ranks: list[tuple[np.ndarray, np.ndarray]] = []
        for genes, place in self._words:
            word = genotypes[:, genes].astype(np.int64) @ place
            values, rank = np.unique(word, return_inverse=True)
            merged = keys * len(values) + rank.reshape(-1)
            distinct, first, keys = np.unique(merged, return_index=True, return_inverse=True)
            keys = keys.reshape(-1)
            self._ranks.append((values, distinct))
        # After the last word a key is the rank of a distinct genotype.
        self._first_row = first.astype(np.int64)

    def __len__(self) -> int:
        """Number of distinct genotypes."""
        return len(self._first_row)

    def find(self, genotypes: np.ndarray) -> np.ndarray:
        """The first row that holds each genotype: int ``[..., L] -> int64 [...]``.

        -1 where no row does, genes out of range included.
        """
        genotypes = np.asarray(genotypes)
        if not len(self):
            return np.full(genotypes.shape[:-1], -1, np.int64)
        found = np.all((genotypes >= 0) & (genotypes < self._choices), axis=-1)
        keys = np.zeros(genotypes.shape[:-1], np.int64)
        for (genes, place), (values, distinct) in zip(self._words, self._ranks, strict=True):
            # A gene out of range may overflow here; ``found`` is False already.
            word = genotypes[..., genes].astype(np.int64) @ place
            rank, hit = _rank(values, word)
            keys, merged_hit = _rank(distinct, keys * len(values) + rank)
            found &= hit & merged_hit
        return np.where(found, self._first_row[keys], -1)


def _rank(values: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Position in sorted ``values``, and whether the value is there."""
    position = np.minimum(np.searchsorted(values, wanted), len(values) - 1)
    return position, values[position] == wanted


def _split(choices: tuple[int, ...]) -> list[tuple[slice, np.ndarray]]:
    """Groups of genes that fit one word, with their place values."""
    words = []
    start, size = 0, 1
    for gene, count in enumerate(choices):
        if size * count > _WORD_LIMIT:
            words.append(slice(start, gene))
            start, size = gene, 1
        size *= count
    words.append(slice(start, len(choices)))
    return [(genes, _places(choices[genes])) for genes in words]


def _places(choices: tuple[int, ...]) -> np.ndarray:
    """Mixed-radix place values, first gene slowest: int64 ``[len(choices)]``."""
    return np.cumprod((1, *choices[:0:-1]), dtype=np.int64)[::-1]
