"""What a model of several objectives sees of an architecture.

Accuracy follows from what an architecture computes, its cost from how it is
written: an operation whose result nobody uses still takes its time.  So there
are two groups of features, those of ``path_features`` for the canonical form
and the genes and operations of the genotype as it stands, and three views of
them; every model chooses its own by marginal likelihood.

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
from pnag_jax.methods import gaussian_process, path_features
from pnag_jax.methods.gaussian_process import Posterior, Prediction
from pnag_jax.spaces import Space


class Features(NamedTuple):
    """``form [m, E]`` of the canonical genotypes, ``written [m, P]`` as they stand."""

    form: jax.Array
    written: jax.Array


def embed(space: Space, genotypes: jax.Array) -> Features:
    """Of genotypes ``[m, L]`` as they stand; ``space`` is the one that folds isomorphic ones."""
    form = path_features.embed(space, space.canonical(genotypes))
    written = path_features.embed(spaces.as_written(space), genotypes)
    return Features(form, path_features.plain(written))


def empty(space: Space, rows: int) -> Features:
    """Zeros: of no architecture."""
    one = jax.ShapeDtypeStruct((rows, space.genotype_length), jnp.int32)
    shapes = jax.eval_shape(functools.partial(embed, space), one)
    return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)


def distances(left: Features, right: Features) -> jax.Array:
    """Squared distances in every view: ``m`` and ``C`` rows to ``[3, m, C]``.

    The canonical form without and with kinds of paths, the genotype as it stands.
    """
    pairs = [
        (path_features.seen(left.form, view), path_features.seen(right.form, view))
        for view in range(path_features.VIEWS)
    ]
    pairs.append((left.written, right.written))
    return jnp.stack([path_features.squared(*pair) for pair in pairs])


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
