"""Quantiles that a prior is told, and quantiles that it is asked for."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pnag_jax.errors import UsageError
from pnag_jax.generation import labels
from pnag_jax.generation.tokens import Layout, Tokens


def test_quantiles_by_hand():
    # Below 2.0 stands one of four, and 2.0 itself is counted half.
    among = [1.0, 2.0, 3.0, 4.0, np.nan]
    np.testing.assert_allclose(
        labels.quantiles([2.0, 0.0, 9.0, 2.5, np.nan], among), [0.375, 0, 1, 0.5, np.nan]
    )
    assert labels.quantiles([5.0]).tolist() == [0.5]
    assert np.isnan(labels.quantiles([np.nan])).all()


@pytest.mark.parametrize(("limit", "top"), [(0.5, 0.4), (0.1, 0.05), (1.0, 0.9)])
def test_quantiles_below_a_limit(limit, top):
    asked = np.asarray(labels.below(jax.random.key(0), limit, 1000, margin=0.1))
    assert asked.shape == (1000,) and asked.dtype == np.float32
    assert 0 <= asked.min() < 0.02 * top and 0.98 * top < asked.max() <= top
    # Uniform: half of them in the lower half, 5 standard errors are 0.08.
    assert abs((asked < top / 2).mean() - 0.5) < 0.08


def test_rows_with_labels_stand_about_as_often_as_those_without(nb201_trained):
    generator = nb201_trained.generator
    count = len(generator.codes)
    quality = np.full((count, 1), np.nan)
    quality[:100, 0] = 0.5
    layout = Layout(scales=((0, 3),), looked_up=(), length=1)
    tokens = Tokens(layout, jnp.zeros((0, 1, 1)))
    found = labels.examples(tokens, generator.codes, quality, np.empty((count, 0)))
    labelled = ~np.isnan(np.asarray(found.quality)[:, 0])
    assert (~labelled).sum() == count - 100 and abs(labelled.mean() - 0.5) < 0.02
    np.testing.assert_array_equal(found.codes[0], generator.codes[0, [0, 3]])
    assert found.hardware.shape == (len(labelled), 0)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40))
@settings(deadline=None, max_examples=50)
def test_quantiles_rise_with_values_and_average_a_half(values):
    found = labels.quantiles(values)
    assert ((found > 0) & (found < 1)).all() and abs(found.mean() - 0.5) < 1e-5
    order = np.argsort(values, kind="stable")
    assert (np.diff(found[order]) >= 0).all()


def test_columns_of_another_number_of_rows_are_refused():
    with pytest.raises(UsageError, match=r"quality: of shape \(3,\); one row for each of 2"):
        labels.quantile_columns("quality", np.ones(3), 2)


# Ten architectures: the better, the slower.
RISING = np.linspace(0.05, 0.95, 10)


def test_conditions_that_go_together_are_left_alone():
    pairs = labels.together(
        jax.random.key(0), RISING, RISING, 0.3, RISING <= 0.5, 50, tolerance=0.11, least=2
    )
    # 0.25 and 0.35 are as near as the tolerance.
    assert pairs.found == 2 and set(np.round(pairs.hardware, 2)) == {
        np.float32(0.25),
        np.float32(0.35),
    }
    assert (pairs.quality == np.float32(0.3)).all()


def test_of_conditions_that_contradict_each_other_the_limit_counts():
    pairs = labels.together(jax.random.key(0), RISING, RISING, 0.95, RISING <= 0.5, 50, least=2)
    # The two best that keep the limit.
    assert pairs.found == 0
    assert set(np.round(pairs.quality, 2)) == {np.float32(0.35), np.float32(0.45)}
    np.testing.assert_array_equal(pairs.quality, pairs.hardware)


def test_no_architecture_within_the_limit_is_refused():
    unknown = np.full(10, np.nan)
    for allowed, quality in ((RISING < 0, RISING), (RISING > 0, unknown)):
        with pytest.raises(UsageError, match="no architecture with both labels"):
            labels.together(jax.random.key(0), quality, RISING, 0.5, allowed, 5)


def test_the_highest_quantile_that_keeps_a_limit():
    asked = np.repeat([0.1, 0.2, 0.3], 4)
    reached = np.array([0.1, 0.1, 0.1, 0.1, 0.2, 0.2, 0.2, 0.4, np.nan, 0.4, 0.4, 0.4])
    assert labels.highest(asked, reached, 0.25, keep=1.0) == pytest.approx(0.1)
    # Seven of the eight that are asked for 0.2 at most keep it.
    assert labels.highest(asked, reached, 0.25, keep=0.87) == pytest.approx(0.2)
    assert labels.highest(asked, reached, 0.5) == pytest.approx(0.3)
    # None will do: the lowest is left.
    assert labels.highest(asked, reached, 0.05) == pytest.approx(0.1)
