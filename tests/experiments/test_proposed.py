"""Architectures for a task of no table: from labels of others, made once a run."""

from __future__ import annotations

import importlib

import jax
import numpy as np
import pytest

from experiments import architectures, proposed
from pnag_jax import benchmarks, spaces
from pnag_jax.benchmarks import Table
from pnag_jax.errors import UsageError
from pnag_jax.training.interrupts import Interrupt

SPACE = spaces.get("macro")


@pytest.fixture
def table(monkeypatch) -> Table:
    """Two data sets on which the sum of the genes counts."""
    genotypes = np.asarray(SPACE.canonical(SPACE.sample(jax.random.key(0), 60)))
    genotypes = np.unique(genotypes, axis=0).astype(np.int16)
    found = Table(
        name="toy",
        space_name="macro",
        genotypes=genotypes,
        metrics=("a/test_accuracy", "b/test_accuracy"),
        meta={},
        source="made up",
        read_column=lambda name: genotypes.sum(axis=1).astype(np.float32),
    )
    monkeypatch.setattr(benchmarks, "load", lambda *_: found)
    return found


@pytest.fixture
def propose(tmp_path):
    config = importlib.import_module("configs.macro").get_config("tiny")
    config.transfer.update({"steps": 40, "members": 1, "width": 8, "learning_rate": 1e-2})

    def propose(number: int, meta: str | None = None) -> np.ndarray:
        return proposed.make(
            number,
            SPACE,
            config=config,
            meta=meta,
            benchmark_dir=None,
            workdir_path=tmp_path,
            seed=0,
            interrupt=Interrupt(),
        )

    return propose


def test_the_best_of_other_tasks_are_proposed_and_kept(propose, table, tmp_path, monkeypatch):
    found = propose(5)
    assert found.shape == (5, 8) and found.dtype == np.int32
    assert len(np.unique(found, axis=0)) == 5
    rows = table.rows(found)
    assert (rows >= 0).all()
    assert found.sum(axis=1).mean() > table.genotypes.sum(axis=1).mean() + 2
    # A rerun reads them; another number is another run's.
    monkeypatch.setattr(proposed.transferring, "train", None)
    np.testing.assert_array_equal(propose(5), found)
    with pytest.raises(UsageError, match="count"):
        propose(4)


def test_what_cannot_be_proposed_is_one_line(propose, table):
    with pytest.raises(UsageError, match=rf"transfer:900: table toy has {len(table.genotypes)}"):
        propose(900)
    with pytest.raises(UsageError, match=r"config\.meta = 'c'.*accepted are a, b, others"):
        propose(5, meta="c")


def test_the_number_is_read():
    assert architectures.read("transfer:8", SPACE) == ("transfer", 8, None)
    with pytest.raises(UsageError, match="must be from 1 to"):
        architectures.read("transfer:x", SPACE)
