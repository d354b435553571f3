"""Labels spread from few architectures to all."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from pnag_jax import spaces
from pnag_jax.errors import UsageError
from pnag_jax.generation import promise
from pnag_jax.methods import path_process, pnag_counts, predicted_labels


@pytest.fixture(scope="module")
def generator():
    return pnag_counts.default_generator(spaces.get("macro"))


def test_a_quarter_of_the_labels_gives_the_others(generator):
    truth = np.asarray(generator.genotypes).sum(axis=1).astype(float)
    values = np.full(len(truth), np.nan)
    values[::4] = truth[::4]
    found = predicted_labels.predict(generator, values)
    assert found.shape == truth.shape and found.dtype == np.float32
    hidden = np.isnan(values)
    # Fixed by the labels; without them it would be 0 within 0.1.
    assert promise.spearman(found[hidden], truth[hidden]) > 0.5
    assert promise.spearman(found[~hidden], truth[~hidden]) > 0.8


@pytest.mark.parametrize("values", [np.full(600, np.nan), np.ones(3)])
def test_too_few_labels_and_other_architectures_are_refused(generator, values):
    with pytest.raises(UsageError, match=r"values: \d+ measurements in an array of shape"):
        predicted_labels.predict(generator, values)


def test_noisy_labels_are_drawn_to_the_middle(generator):
    features = path_process.trained_on(generator)
    truth = np.asarray(generator.genotypes).sum(axis=1).astype(float)
    noisy = truth + 3 * np.random.default_rng(0).normal(size=len(truth))
    told = predicted_labels.expected_quantiles(
        jax.random.key(0),
        generator.model.space,
        features,
        noisy,
        each=len(truth) // 2,
        parts=2,
    )
    assert told.shape == truth.shape and told.dtype == np.float32
    assert ((told > 0) & (told < 1)).all()
    # Uniform quantiles would have a deviation of 0.29.
    assert told.std() < 0.25 and abs(told.mean() - 0.5) < 0.05
    # Nearer to the truth than what was measured.
    assert promise.spearman(told, truth) > promise.spearman(noisy, truth) + 0.02
