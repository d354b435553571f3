"""What a model of several objectives sees of an architecture.

Accuracy follows from what an architecture computes, its cost from how it is
written: an operation whose result nobody uses still takes its time.  So there
are three views: the two of ``path_process`` for the canonical form, and one of
the genes and operations of the genotype as it stands.  Every model chooses its
own by marginal likelihood.

Letters as in ``methods.base``, ``E`` and ``P`` features, ``W`` columns.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pnag_jax import spaces
from pnag_jax.generation import Generator
from pnag_jax.methods import gaussian_process, path_features, path_process
from pnag_jax.methods.gaussian_process import Posterior, Prediction
from pnag_jax.spaces import Space


class Features(NamedTuple):
    """One matrix a view: two of the canonical genotypes, one of them as they stand.

    Attributes:
      plain: genes and operations, ``[m, P]``.
      paths: kinds of paths beside them, ``[m, E]``.
      written: ``plain`` of the genotypes as they stand, ``[m, P]``.
    """

    plain: jax.Array
    paths: jax.Array
    written: jax.Array


def embed(space: Space, genotypes: jax.Array) -> Features:
    """Of genotypes ``[m, L]`` as they stand; ``space`` is the one that folds isomorphic ones."""
    form = path_features.embed(space, space.canonical(genotypes))
    as_written = spaces.as_written(space)
    written = path_features.embed(as_written, genotypes)
    return Features(
        plain=path_process.viewed(space, form, 0),
        paths=path_process.viewed(space, form, 1),
        written=path_process.viewed(as_written, written, 0),
    )


def empty(space: Space, rows: int) -> Features:
    """Zeros: of no architecture."""
    one = jax.ShapeDtypeStruct((rows, space.genotype_length), jnp.int32)
    shapes = jax.eval_shape(functools.partial(embed, space), one)
    return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)


def distances(left: Features, right: Features) -> jax.Array:
    """Squared distances in every view: ``m`` and ``C`` rows to ``[3, m, C]``."""
    return jnp.stack([path_features.squared(*pair) for pair in zip(left, right, strict=True)])


def fit(features: Features, targets: jax.Array, measured: jax.Array) -> Posterior:
    """One process a column, along a leading axis: targets ``[B, W]``, measured bool ``[B]``."""
    apart = distances(features, features)
    return jax.vmap(lambda column: gaussian_process.fit(apart, column, measured), 1)(targets)


def predict(posterior: Posterior, apart: jax.Array) -> Prediction:
    """Each column, along a leading axis, at distances ``[3, m, B]`` to the slots."""
    return jax.vmap(lambda one: gaussian_process.predict(one, apart[one.view]))(posterior)


@functools.cache
def trained_on(generator: Generator) -> Features:
    """Features of the ``M`` architectures that a generator was trained on, on the host."""
    embed_all = jax.jit(functools.partial(embed, generator.model.space))
    with jax.ensure_compile_time_eval():  # may be asked for while a search is traced
        return jax.tree.map(np.asarray, embed_all(generator.genotypes))
