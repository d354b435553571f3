"""Streams: the same on any number of devices, cut and resumed anywhere."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from pnag_jax import generation
from pnag_jax.generation.keys import KeySet
from pnag_jax.generation.stream import Best, Stream

SIZE, COUNT = 64, 300


def score(genotypes: np.ndarray) -> np.ndarray:
    """Distinct numbers, so that there is one order."""
    return (genotypes * 7 ** np.arange(genotypes.shape[1])).sum(1) % 1009


def make(generator, devices, capacity=1000, most=20):
    return Stream(
        jax.random.key(5),
        generator,
        seen=KeySet(capacity),
        score=score,
        most=most,
        size=SIZE,
        devices=jax.local_devices()[:devices],
    )


@pytest.fixture(scope="module")
def drawn(nb201_trained):
    """The first architectures of the stream, without it."""
    keys = [jax.random.fold_in(jax.random.key(5), piece) for piece in range(-(-COUNT // SIZE))]
    pieces = [np.asarray(generation.generate(key, nb201_trained.generator, SIZE)) for key in keys]
    return np.concatenate(pieces)[:COUNT]


@pytest.mark.parametrize("devices", [1, 4])
def test_a_stream_counts_and_ranks_what_is_drawn(nb201_trained, drawn, devices):
    stream = make(nb201_trained.generator, devices)
    stream.run(COUNT)
    space = nb201_trained.generator.model.space
    _, first = np.unique(np.asarray(space.canonical(drawn)), axis=0, return_index=True)
    distinct = drawn[np.sort(first)]
    order = np.argsort(-score(distinct), kind="stable")[:20]
    assert (stream.generated, stream.distinct, stream.refused) == (COUNT, len(distinct), 0)
    assert (stream.best.genotypes == distinct[order]).all()
    assert (stream.best.scores == score(distinct)[order]).all()


def test_a_stream_cut_within_a_piece_goes_on_as_if_unbroken(nb201_trained, drawn):
    whole = make(nb201_trained.generator, 1)
    whole.run(COUNT)
    first = make(nb201_trained.generator, 4)
    first.run(100)
    second = make(nb201_trained.generator, 1)
    second.restore(first.state())
    second.run(COUNT)
    assert (second.generated, second.distinct) == (whole.generated, whole.distinct)
    assert (second.best.genotypes == whole.best.genotypes).all()


def test_a_full_set_loses_and_repeats_no_good_architecture(nb201_trained):
    roomy = make(nb201_trained.generator, 1)
    tight = make(nb201_trained.generator, 1, capacity=4)
    roomy.run(COUNT)
    tight.run(COUNT)
    assert tight.refused > 0
    assert tight.distinct < roomy.distinct
    assert (tight.best.keys == roomy.best.keys).all()


def test_the_best_keep_their_order_and_the_first_of_equals():
    def some(*pairs):
        scores, names = np.array(pairs).T
        return Best(names.astype(np.uint64), scores, names[:, None].astype(np.int16))

    best = some((3.0, 2), (1.0, 1)).with_more(some((3.0, 3), (2.0, 4), (0.5, 5), (3.0, 2)), 3)
    assert best.genotypes[:, 0].tolist() == [2, 3, 4]
    assert best.with_more(some((2.0, 6), (2.5, 4)), 3).keys.tolist() == [2, 3, 4]
