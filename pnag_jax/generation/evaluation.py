"""How good a generator is: validity, uniqueness, novelty, beside uniform draws."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from jax.typing import ArrayLike

from pnag_jax.generation import generator as generators
from pnag_jax.generation.generator import Generator
from pnag_jax.spaces import Space


def describe(space: Space, genotypes: ArrayLike, trained: ArrayLike) -> dict[str, float | None]:
    """Shares of a sample, as the protocol defines them.

    Args:
      space: judges validity.
      genotypes: int ``[n, L]``.
      trained: int ``[M, L]``, what the generator was trained on.

    Returns:
      ``validity``: valid / n; ``uniqueness``: distinct / valid; ``novelty``:
      not trained on / distinct.  None where the denominator is 0.

    >>> from pnag_jax import spaces
    >>> sample = [[3] * 6, [3] * 6, [1] * 6, [0] * 6]  # the last one is not functional
    >>> describe(spaces.get("nb201"), sample, trained=[[1] * 6])
    {'validity': 0.75, 'uniqueness': 0.6666666666666666, 'novelty': 0.5}
    """
    genotypes = np.asarray(genotypes)
    valid = genotypes[np.asarray(space.is_valid(genotypes))]
    distinct = {row.tobytes() for row in valid.astype(np.int32)}
    known = {row.tobytes() for row in np.asarray(trained).astype(np.int32)}
    return {
        "validity": len(valid) / len(genotypes) if len(genotypes) else None,
        "uniqueness": len(distinct) / len(valid) if len(valid) else None,
        "novelty": len(distinct - known) / len(distinct) if distinct else None,
    }


def reconstruction(generator: Generator, genotypes: np.ndarray) -> float:
    """Share of architectures that come back exactly from their codes.

    Decoded as samples are: by the folded tables and the constrained decode.

    Args:
      generator: from ``generator.build``.
      genotypes: int ``[m, L]``, valid.
    """
    codes = generators.encode_all(generator.model, generator.variables, genotypes)
    decoded = generators.decode_codes(generator, codes)
    return float((np.asarray(decoded) == genotypes).all(axis=-1).mean())


def evaluate(
    key: jax.Array, generator: Generator, *, count: int = 1000, distinct: bool = False
) -> dict[str, Any]:
    """The ``generation`` part of ``results.json``, without speeds.

    Args:
      key: consumed.
      generator: from ``generator.build``.
      count: samples, ``N`` of the protocol.
      distinct: sample without replacement.
    """
    key_sample, key_uniform = jax.random.split(key)
    raw = generators.generate(key_sample, generator, count, raw=True)
    if distinct:
        sample = generators.generate_distinct(key_sample, generator, count)
    else:
        sample = np.asarray(generators.generate(key_sample, generator, count))
    return {
        "count": count,
        "sampling": "without replacement" if distinct else "independent",
        **beside_uniform(key_uniform, generator, sample, raw),
    }


def beside_uniform(
    key: jax.Array, generator: Generator, sample: ArrayLike, raw: ArrayLike
) -> dict[str, Any]:
    """Shares of a sample, and those of as many uniform draws.

    Args:
      key: of the uniform draws, consumed.
      generator: gives the space, and what was trained on.
      sample: int ``[n, L]``, constrained.
      raw: int ``[n, L]``, decoded without the constraint.
    """
    space, trained = generator.model.space, generator.genotypes
    # Uniform over all genotypes, valid or not: what knowing nothing gives.
    uniform = jax.random.randint(
        key, (len(np.asarray(raw)), space.genotype_length), 0, np.array(space.choices)
    )
    return {
        "raw_validity": describe(space, raw, trained)["validity"],
        **describe(space, sample, trained),
        "training_share": len(trained) / space.size,
        "uniform": describe(space, uniform, trained),
    }
