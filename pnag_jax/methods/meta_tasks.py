"""Labels of many tasks as episodes, whatever they come from.

Letters: ``M`` architectures, ``L`` genes, ``B`` episodes of ``R`` measurements,
``n`` examples of a data set, ``P`` examples in all.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import jax
import numpy as np

from pnag_jax.benchmarks import Table
from pnag_jax.benchmarks.base import judge
from pnag_jax.benchmarks.tasks import higher_is_better
from pnag_jax.benchmarks.triples import Triples
from pnag_jax.errors import UsageError
from pnag_jax.generation.labels import quantiles
from pnag_jax.models.surrogate_step import Episodes
from pnag_jax.spaces import Space

# Measurements of an episode: a task of a table, a task of triples.
_TABLE_ROWS = 32
_TRIPLE_ROWS = 4


@dataclasses.dataclass(frozen=True, eq=False)
class MetaTasks:
    """What a surrogate is trained on.

    Attributes:
      space: of all architectures.
      genotypes: int32 ``[M, L]``, canonical, distinct.
      episodes: their rows number ``genotypes``, their examples are numbers
        below ``num_examples``.
      num_examples: ``P``; each is its own feature.
      task: int ``[B]``, which task an episode is of.
      labels: measurements in all.
      source: for people.
    """

    space: Space
    genotypes: np.ndarray
    episodes: Episodes
    num_examples: int
    task: np.ndarray
    labels: int
    source: str

    @property
    def num_tasks(self) -> int:
        """How many tasks there are."""
        return len(np.unique(self.task))

    def subset(self, chosen: np.ndarray) -> MetaTasks:
        """The episodes of a mask bool ``[B]``, with all architectures."""
        episodes = jax.tree.map(lambda x: x[chosen], self.episodes)
        labels = int((~np.isnan(episodes.values)).sum())
        return dataclasses.replace(self, episodes=episodes, task=self.task[chosen], labels=labels)


def from_triples(triples: Triples) -> MetaTasks:
    """Every task one episode, or several of at most four measurements.

    Scores are centred by protocol and divided by what is left of their spread.
    The examples of a data set are its classes and the protocol: the network
    learns what each does to the level of the scores, since most tasks have one
    or two measurements and say little about architectures by themselves.
    """
    _, canonical = judge(triples.space, triples.genotypes)
    genotypes, row = np.unique(canonical, axis=0, return_inverse=True)
    level = np.bincount(triples.protocols, triples.values) / np.bincount(triples.protocols)
    values = triples.values - level[triples.protocols]
    values = values / max(values.std(), 1e-6)
    known, part = np.unique(triples.parts, return_inverse=True)
    part = part.reshape(triples.parts.shape)

    key = triples.tasks * (triples.protocols.max() + 1) + triples.protocols
    order = np.argsort(key, kind="stable")
    _, first, count = np.unique(key[order], return_index=True, return_counts=True)
    place = np.arange(len(order)) - np.repeat(first, count)
    starts = place % _TRIPLE_ROWS == 0
    episode = np.cumsum(starts) - 1
    shape = (int(episode[-1]) + 1, _TRIPLE_ROWS)
    rows, scores = np.full(shape, -1, np.int32), np.full(shape, np.nan, np.float32)
    rows[episode, place % _TRIPLE_ROWS] = row.reshape(-1)[order]
    scores[episode, place % _TRIPLE_ROWS] = values[order]
    head = order[starts]
    examples = np.concatenate([part[head], len(known) + triples.protocols[head][:, None]], axis=1)
    return MetaTasks(
        space=triples.space,
        genotypes=genotypes.astype(np.int32),
        episodes=Episodes(rows, scores[..., None], examples.astype(np.int32)),
        num_examples=len(known) + int(triples.protocols.max()) + 1,
        task=triples.tasks[head],
        labels=len(triples.values),
        source=triples.source,
    )


def from_table(table: Table, columns: Mapping[str, str], *, seed: int = 0) -> MetaTasks:
    """All measurements in random parts of one data set each, as normal scores of their ranks.

    Args:
      table: the measurements; isomorphic architectures count as one, with the
        mean of their values.
      columns: full name of the column of each data set.
      seed: of the parts.

    Raises:
      UsageError: a column has fewer than two values, or none is given.
    """
    if not columns:
        raise UsageError(f"table {table.name}: no task to train a surrogate on")
    valid = table.classes >= 0
    first, number = np.unique(table.classes[valid], return_inverse=True)
    _, genotypes = judge(table.space, table.genotypes[first])
    random = np.random.default_rng(seed)
    rows, scores, task, labels = [], [], [], 0
    for index, column in enumerate(columns.values()):
        values = class_means(table.column(column)[valid], number.reshape(-1), len(first))
        known = np.flatnonzero(~np.isnan(values))
        if len(known) < 2:
            raise UsageError(f"table {table.name}: {column} has {len(known)} values; 2 are needed")
        values = values if higher_is_better(column) else -values
        score = np.asarray(jax.scipy.special.ndtri(quantiles(values)))
        labels += len(known)
        padded = np.full(-(-len(known) // _TABLE_ROWS) * _TABLE_ROWS, -1)
        padded[: len(known)] = random.permutation(known)
        drawn = padded.reshape(-1, _TABLE_ROWS)
        rows.append(drawn)
        scores.append(np.where(drawn >= 0, score[drawn], np.nan))
        task.append(np.full(len(drawn), index))
    values = np.concatenate(scores)[..., None].astype(np.float32)
    episodes = Episodes(
        np.concatenate(rows).astype(np.int32), values, np.full((len(values), 1), -1, np.int32)
    )
    return MetaTasks(
        space=table.space,
        genotypes=genotypes.astype(np.int32),
        episodes=episodes,
        num_examples=1,
        task=np.concatenate(task),
        labels=labels,
        source=f"{table.source}: {', '.join(columns.values())}",
    )


def class_means(values: np.ndarray, number: np.ndarray, count: int) -> np.ndarray:
    """Means of what is not NaN by class: ``[M], int [M] -> [count]``, NaN of nothing."""
    known = ~np.isnan(values)
    size = np.bincount(number[known], minlength=count)
    total = np.bincount(number[known], values[known].astype(np.float64), minlength=count)
    return np.where(size > 0, total / np.maximum(size, 1), np.nan)
