"""A trained surrogate, and what it says of architectures on a task it never saw.

Pure functions of ``Transferable``, a pytree.  A search method that starts from
its proposals and takes its mean for the prior mean of a process needs

    task = transferable.context(trained, genotypes, scores)  # or None: zero queries
    mean, std = transferable.predict(trained, candidates, task)

Letters: ``m`` architectures that are asked about, ``L`` genes, ``E`` features,
``A`` members, ``C`` pairs, ``P`` genotypes of the space, ``B`` episodes of ``R``
measurements.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from pnag_jax.benchmarks.base import judge
from pnag_jax.errors import UsageError
from pnag_jax.methods import hints, path_features, path_process
from pnag_jax.methods.meta_tasks import MetaTasks
from pnag_jax.models import surrogate_step
from pnag_jax.models.surrogate import Prediction as Scores
from pnag_jax.models.surrogate import Surrogate, Task
from pnag_jax.models.task_encoders import Examples
from pnag_jax.ranks import normal_scores
from pnag_jax.spaces import Space
from pnag_jax.spaces.base import to_index

# Architectures that are rated in one call: bounds memory.
_CHUNK = 4096


@flax.struct.dataclass
class Transferable:
    """A trained surrogate; a pytree, so that ``predict`` can be jitted with it.

    Attributes:
      params: of the members, leaves ``[A, ...]``.
      columns: int32 ``[E]``, those of ``plain`` that vary.
      offsets: float32 ``[P]``, what is added to the mean of each genotype's
        canonical form; ``[1]`` zero in a space that is too large for a table.
      model: static.
      space: static.
    """

    params: Any
    columns: jax.Array
    offsets: jax.Array
    model: Surrogate = flax.struct.field(pytree_node=False)
    space: Space = flax.struct.field(pytree_node=False)


class Prediction(NamedTuple):
    """Scores ``[m]`` of architectures: normal scores among the measured, more is better."""

    mean: Any
    std: Any


def embed(space: Space, columns: jax.Array, genotypes: jax.Array) -> jax.Array:
    """Features of genotypes: ``[m, L] -> [m, E]``, entries of about unit size."""
    return plain(space, genotypes)[:, columns] * math.sqrt(len(columns))


def plain(space: Space, genotypes: jax.Array) -> jax.Array:
    """Genes, operations and kinds of paths: ``[m, L] -> [m, P]``."""
    features = path_features.embed(space, space.canonical(genotypes))
    return path_process.viewed(space, features, 1)


def no_context(trained: Transferable) -> Task:
    """A task of which nothing is known: the prior over tasks."""
    return surrogate_step.unknown(trained.model, len(trained.columns))


def context(
    trained: Transferable,
    genotypes: ArrayLike | None = None,
    scores: ArrayLike | None = None,
    examples: ArrayLike | None = None,
) -> Task:
    """What a new task tells.

    A single pair says nothing about ranks: with fewer than two the prior over
    tasks remains.

    Args:
      trained: the surrogate that will be asked.
      genotypes: ``[C, L]``, measured on the task.
      scores: ``[C]``, any unit, more being better.
      examples: ``[n, D]``, features of examples of the data set.

    Raises:
      UsageError: architectures of another space, a score that is not a number,
        examples of another dimension.
    """
    task = no_context(trained)
    if examples is not None:
        given = np.asarray(examples, np.float32)
        size = trained.model.example_size
        if given.ndim != 2 or given.shape[1] != size or not len(given):
            raise UsageError(f"examples: of shape {given.shape}; accepted are [n, {size}]")
        if not np.isfinite(given).all():
            raise UsageError("examples: a feature is not a number")
        task = task._replace(examples=Examples(jnp.asarray(given), jnp.ones(len(given), bool)))
    if genotypes is None and scores is None:
        return task
    known = np.asarray([] if genotypes is None else genotypes)
    values = np.asarray([] if scores is None else scores, np.float32)
    check_space(trained, known)
    if values.shape != known.shape[:1]:
        raise UsageError(f"scores: {values.shape} for architectures {known.shape}; one each")
    if not np.isfinite(values).all():
        place = int(np.flatnonzero(~np.isfinite(values))[0])
        raise UsageError(f"scores: entry {place} is {values[place]}; accepted are numbers")
    if len(values) < 2:
        return task
    there = jnp.ones(len(values), bool)
    return task._replace(
        pair_features=embed(trained.space, trained.columns, jnp.asarray(known, jnp.int32)),
        pair_scores=normal_scores(jnp.asarray(values), there)[:, None],
        pair_mask=there,
    )


def check_space(trained: Transferable, genotypes: np.ndarray) -> None:
    """Refuses architectures that cannot be of the surrogate's space.

    Raises:
      UsageError: naming the space and what was given.
    """
    space = trained.space
    fits = genotypes.ndim == 2 and genotypes.shape[1] == space.genotype_length
    if not fits or not np.asarray(space.is_valid(genotypes)).all():
        raise UsageError(
            f"architectures: of shape {genotypes.shape}; the surrogate was trained on space"
            f" {space.name} and takes its valid genotypes [m, {space.genotype_length}]"
        )


@jax.jit
def predict(trained: Transferable, genotypes: jax.Array, task: Task | None = None) -> Prediction:
    """Scores on a task, those of the prior over tasks if nothing is known of it.

    Args:
      trained: from ``train``.
      genotypes: valid ones, ``[m, L]``.
      task: from ``context``.
    """
    features = embed(trained.space, trained.columns, genotypes)
    mean, std = _ensemble(trained, features, no_context(trained) if task is None else task)
    return Prediction(mean + _offset(trained, genotypes), std)


def propose(
    trained: Transferable,
    candidates: np.ndarray,
    task: Task | None = None,
    hint: ArrayLike | None = None,
) -> tuple[np.ndarray, Prediction]:
    """Candidates by predicted score, the best first, isomorphic ones once.

    Args:
      trained: from ``train``.
      candidates: ``[m, L]``, e.g. all of a space, or what a generator has made.
      task: from ``context``.
      hint: zero-cost scores of the candidates, ``[m]``; see ``hinted``.

    Returns:
      Row numbers of distinct candidates, best first, and the predictions of
      all of them, ``[m]``.

    Raises:
      UsageError: candidates of another space.
    """
    check_space(trained, candidates)
    parts = [predict(trained, jnp.asarray(piece), task) for piece in pieces(candidates)]
    count = len(candidates)
    found = Prediction(
        *(np.concatenate([np.asarray(p[i]) for p in parts])[:count] for i in range(2))
    )
    if hint is not None:
        found = hinted(found, np.asarray(hint, np.float32))
    _, canonical = judge(trained.space, candidates)
    order = np.argsort(-np.asarray(found.mean), kind="stable")
    _, first = np.unique(canonical[order], axis=0, return_index=True)
    return order[np.sort(first)], found


def hinted(prediction: Prediction, scores: np.ndarray) -> Prediction:
    """Predictions whose prior mean was a zero-cost score of untrained networks.

    A prediction is a compromise of what was learned and the mean of all, 0.  As far
    as it is the latter (its variance over that of the values), what the scores
    usually tell takes the place of 0.

    Args:
      prediction: of ``m`` architectures.
      scores: ``[m]``, more promises more; NaN promises what the mean does.
    """
    variance = np.square(prediction.std)
    spread = np.var(prediction.mean) + np.mean(variance)
    expected = hints.USUAL * np.sqrt(spread) * hints.standard(scores)
    return prediction._replace(mean=prediction.mean + variance / spread * expected)


def predict_episodes(trained: Transferable, tasks: MetaTasks) -> tuple[np.ndarray, np.ndarray]:
    """Means and deviations of all measurements, by the examples of their tasks: ``[B, R]``."""
    every = functools.partial(embed, trained.space, trained.columns)
    features = jnp.asarray(in_chunks(jax.jit(every), tasks.genotypes))
    examples = jnp.eye(tasks.num_examples)

    @jax.jit
    def predicted(rows: jax.Array, parts: jax.Array) -> tuple[jax.Array, jax.Array]:
        def one(rows: jax.Array, parts: jax.Array) -> tuple[jax.Array, jax.Array]:
            task = no_context(trained)._replace(examples=Examples(parts, parts >= 0))
            mean, std = _ensemble(trained, features[rows], task, examples)
            return mean + _offset(trained, jnp.asarray(tasks.genotypes)[rows]), std

        return jax.vmap(one)(rows, parts)

    pairs = zip(pieces(tasks.episodes.rows), pieces(tasks.episodes.examples), strict=True)
    found = [predicted(*pair) for pair in pairs]
    count = len(tasks.episodes.rows)
    mean, std = (np.concatenate([np.asarray(x[i]) for x in found])[:count] for i in range(2))
    return mean, std


def _offset(trained: Transferable, genotypes: jax.Array) -> jax.Array:
    """What is known of single architectures: ``[m, L] -> [m]``."""
    if len(trained.offsets) == 1:
        return jnp.zeros(len(genotypes))
    canonical = trained.space.canonical(genotypes)
    return trained.offsets[to_index(canonical, trained.space.choices)]


@jax.jit
def rated(trained: Transferable, features: jax.Array) -> Prediction:
    """What the networks say of a task of which nothing is known: ``[m, E] -> [m]``."""
    return Prediction(*_ensemble(trained, features, no_context(trained)))


def _ensemble(
    trained: Transferable, features: jax.Array, task: Task, table: jax.Array | None = None
) -> tuple[jax.Array, jax.Array]:
    """Mean and standard deviation of the mixture of the members: ``[m]`` each."""

    def one(params: Any) -> tuple[jax.Array, jax.Array]:
        found = cast(Scores, trained.model.apply(params, features, task, jnp.ones(()), table))
        return found.mean[:, 0], found.log_variance[:, 0]

    mean, log_variance = jax.vmap(one)(trained.params)
    return mean.mean(axis=0), jnp.sqrt(jnp.exp(log_variance).mean(axis=0) + mean.var(axis=0))


def pieces(rows: Any) -> list[np.ndarray]:
    """Pieces of one shape; the last is filled up with rows that are there."""
    size = min(_CHUNK, len(rows))
    padded = np.resize(rows, (-(-len(rows) // size) * size, *rows.shape[1:]))
    return [padded[i : i + size] for i in range(0, len(padded), size)]


def in_chunks(function: Callable[[Any], jax.Array], rows: np.ndarray) -> np.ndarray:
    return np.concatenate([np.asarray(function(x)) for x in pieces(rows)])[: len(rows)]
