"""A table whose answers are known."""

from __future__ import annotations

import pathlib

import numpy as np

from pnag_jax import benchmarks


def write_table(path: pathlib.Path, shift: float = 0.0) -> pathlib.Path:
    """All of macro; the more blocks of kind 2, the better."""
    genotypes = np.indices((3,) * 8).reshape(8, -1).T
    seen = (genotypes == 2).sum(1) + shift
    columns = {"toy/seen": seen, "toy/true": 10.0 * seen}
    benchmarks.save_table(path, space="macro", genotypes=genotypes, columns=columns, meta={})
    return path
