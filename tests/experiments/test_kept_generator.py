"""A generator that one process of a run trains, and the others read."""

from __future__ import annotations

import functools

import jax
import numpy as np
import pytest

from experiments.bench import generators
from pnag_jax import generation, spaces
from pnag_jax.errors import DataError
from pnag_jax.models.stage1 import Stage1

SPACE = spaces.get("macro")


def test_it_is_trained_once_and_no_file_of_it_is_code(tmp_path, monkeypatch):
    small = functools.partial(Stage1, channels=4, num_codes=8, width=8, schedule="geometric")
    monkeypatch.setattr(generators, "Stage1", small)
    key, folder = jax.random.key(3), tmp_path / "generator"
    first = generators.kept(key, SPACE, 1, folder)
    # A pickle may run code: numbers are kept, the rest is made again.
    for path in filter(lambda path: path.is_file(), folder.rglob("*")):
        assert not path.read_bytes().startswith(b"\x80"), path

    def train(*args, **options):
        raise AssertionError("trained again")

    monkeypatch.setattr(generation, "train_variables", train)
    again = generators.kept(key, SPACE, 1, folder)
    parts = [(g.variables, g.decoder, g.codes, g.genotypes) for g in (first, again)]
    jax.tree.map(np.testing.assert_array_equal, *parts)
    drawn = [generation.generate(jax.random.key(0), g, 50) for g in (first, again)]
    np.testing.assert_array_equal(*drawn)

    largest = max(folder.rglob("*"), key=lambda path: path.is_file() and path.stat().st_size)
    largest.write_bytes(largest.read_bytes()[:-8])
    with pytest.raises(DataError, match=r"generator"):
        generators.kept(key, SPACE, 1, folder)
