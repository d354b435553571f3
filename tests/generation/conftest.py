"""One small trained generator a space, made once a session."""

from __future__ import annotations

import dataclasses
import functools

import jax
import numpy as np
import pytest

from pnag_jax import generation, spaces
from pnag_jax.generation import folding
from pnag_jax.generation import prior as priors
from pnag_jax.generation.generator import Generator
from pnag_jax.models.stage1 import Stage1
from tests import compilation

# Spaces whose generator learns what it can: a space all but a few genotypes of which
# are valid, and one with fewer than half.  Training takes long to compile: generators of
# the others generate untrained.
TRAINED = ("gnn", "nb201")
UNTRAINED = tuple(name for name in spaces.names() if name not in TRAINED)


@dataclasses.dataclass(frozen=True)
class Trained:
    """A generator, the split it was trained on, and itself before the polish."""

    split: generation.Split
    generator: Generator
    unpolished: Generator


@functools.cache
@compilation.optimized()
def trained(name: str) -> Trained:
    space = spaces.get(name)
    split = generation.split(jax.random.key(0), space, count=2000)
    model = Stage1(space=space, num_codes=32, schedule="geometric", width=32)
    variables = generation.train_variables(
        jax.random.key(1),
        model,
        split.train,
        num_epochs=22,
        batch_size=128,
        learning_rate=1e-2,
    )
    generator = generation.build(
        jax.random.key(2),
        model,
        variables,
        split.train,
        max_parents=2,
        min_gain=0.05,
        polish_steps=100,
    )
    decoder = folding.fold(model, variables)
    return Trained(split, generator, dataclasses.replace(generator, decoder=decoder))


@pytest.fixture(scope="session", params=TRAINED)
def any_trained(request) -> Trained:
    return trained(request.param)


@pytest.fixture(scope="session")
def nb201_trained() -> Trained:
    return trained("nb201")


@pytest.fixture(scope="session")
def assert_frequencies():
    """Pearson's test of counts against expected shares, at five sigma."""

    def check(counts, shares) -> None:
        counts, shares = np.ravel(counts).astype(float), np.ravel(shares).astype(float)
        possible = shares > 0
        assert counts[~possible].sum() == 0
        expected = counts.sum() * shares[possible] / shares.sum()
        assert expected.min() > 5, "too few samples for this test"
        statistic = ((counts[possible] - expected) ** 2 / expected).sum()
        freedom = max(possible.sum() - 1, 1)
        assert statistic < freedom + 5 * np.sqrt(2 * freedom)

    return check


@pytest.fixture(scope="session")
def prior(nb201_trained) -> priors.Prior:
    """Quality: convolutions in a cell; the latency of device 1 is the opposite."""
    generator = nb201_trained.generator
    count = count_convolutions(generator.genotypes)
    hardware = np.stack([np.full(len(count), np.nan), count], axis=1)
    with compilation.optimized():
        return priors.train(
            jax.random.key(0),
            generator,
            quality=count,
            hardware=hardware,
            num_epochs=30,
            learning_rate=1e-2,
            width=32,
            num_layers=1,
            num_heads=2,
        )


def count_convolutions(genotypes) -> np.ndarray:
    return ((np.asarray(genotypes) == 3) | (np.asarray(genotypes) == 2)).sum(-1).astype(float)


@pytest.fixture(scope="session")
def convolutions():
    return count_convolutions
