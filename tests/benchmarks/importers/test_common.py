"""What holds of every importer of the registry."""

from __future__ import annotations

import os
import pathlib

import numpy as np
import pytest

from pnag_jax import benchmarks
from pnag_jax.benchmarks import importers
from pnag_jax.errors import DataError, UsageError
from tests.benchmarks.importers import official

EXAMPLES = {example.layout: example for example in official.EXAMPLES}


@pytest.fixture(params=EXAMPLES)
def example(request) -> official.Example:
    return EXAMPLES[request.param]


@pytest.fixture
def source(example, tmp_path) -> pathlib.Path:
    path = tmp_path / example.file
    example.write(path)
    return path


def largest(source: pathlib.Path) -> pathlib.Path:
    """The file, or the last cell of a folder."""
    return source if source.is_file() else sorted(source.iterdir())[-2]


def test_every_layout_has_an_example():
    assert set(EXAMPLES) == set(importers.LAYOUTS)


def test_values(example, source, tmp_path):
    layout = importers.LAYOUTS[example.layout]
    rows = layout.read(source)
    assert len(rows) == len(example.genotypes)
    rows.save(tmp_path / f"{layout.table}.npz")
    table = benchmarks.load(layout.table, tmp_path)
    assert table.space_name == rows.space
    assert table.genotypes.tolist() == [list(genotype) for genotype in example.genotypes]
    for name, expected in example.values.items():
        np.testing.assert_allclose(table.column(name), expected, rtol=1e-6, err_msg=name)
    assert len(table.metrics) == example.columns, table.metrics
    assert {"sources", "licence", "units"} <= set(table.meta)
    assert example.file in table.meta["sources"][0]


def test_told_from_the_name_and_from_the_content(example, source, tmp_path):
    assert importers.detect(source).name == example.layout
    renamed = source.rename(tmp_path / "download(1)")
    assert importers.detect(renamed).name == example.layout


@pytest.mark.parametrize("kept", [0.0, 0.02, 0.5, 0.98])
def test_truncated(example, source, kept):
    file = largest(source)
    whole = file.read_bytes()
    file.write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(DataError, match=f"{source.name}.*") as caught:
        importers.LAYOUTS[example.layout].read(source).save(source.parent / "t.npz")
    assert "\n" not in str(caught.value)
    assert not (source.parent / "t.npz").exists()


def test_a_web_page_of_the_right_name(example, source):
    largest(source).write_text("<!DOCTYPE html><html><body>Too many requests</body></html>")
    with pytest.raises(DataError, match=source.name):
        importers.LAYOUTS[example.layout].read(source)


def test_damaged_bytes_are_no_traceback(example, source):
    file = largest(source)
    whole = file.read_bytes()
    rng = np.random.default_rng(0)
    for at in rng.integers(0, len(whole), 20):
        damaged = bytearray(whole)
        damaged[at] ^= 0xFF
        file.write_bytes(damaged)
        try:
            importers.LAYOUTS[example.layout].read(source)
        except DataError as error:
            assert source.name in str(error)


class Runs:
    """Pickles to a call of ``os.mkdir``."""

    def __init__(self, path: pathlib.Path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_a_foreign_global_is_refused_by_name(example, tmp_path):
    if example.poison is None:
        pytest.skip("the layout has no pickle")
    alive = tmp_path / "canary"
    path = tmp_path / example.file
    example.poison(path, Runs(alive))
    with pytest.raises(DataError, match=r"it names posix\.mkdir, which is not allowed"):
        importers.LAYOUTS[example.layout].read(path)
    assert not alive.exists()


def test_nothing_that_is_known(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(UsageError, match="is of no known layout by name or content"):
        importers.detect(tmp_path / "notes.txt")
    with pytest.raises(UsageError, match="no such file or folder"):
        importers.detect(tmp_path / "nothing")
