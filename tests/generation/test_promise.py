"""Promises judged by hand, limits, and how far codes depend on conditions."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax import generation
from pnag_jax.generation import labels, promise
from pnag_jax.generation.prior import Sampling


def test_rank_correlation_of_nothing_is_not_a_number():
    assert np.isnan(promise.spearman([1.0], [2.0]))
    assert np.isnan(promise.spearman([1.0, 2.0, 3.0], [5.0, 5.0, 5.0]))
    assert promise.spearman([1.0, 2.0, np.nan], [3.0, 9.0, 1.0]) == pytest.approx(1)


def test_judged_by_hand():
    genotypes = np.arange(4, dtype=np.int32)[:, None]
    drawn = promise.Drawn(np.array([0.25, 0.25, 0.75, 0.75]), genotypes)
    # Quantiles among 1 .. 4 are 0.125, 0.375, 0.625, 0.875; the last sample is not measured.
    values = np.array([1.0, 2.0, 4.0, np.nan])
    judged = promise.judge(
        drawn, lambda g: values[g[:, 0]], [1.0, 2.0, 3.0, 4.0], genotypes[[0, 3]]
    )
    assert judged["asked"] == [0.25, 0.75] and judged["reached"] == [0.25, 0.875]
    assert judged["low"] == pytest.approx([0.15, 0.875])
    assert judged["high"] == pytest.approx([0.35, 0.875])
    assert judged["mean_error"] == pytest.approx(0.125)
    assert (judged["count"], judged["measured"]) == (4, 0.75)
    # Ranks 1.5, 1.5, 3 and 1, 2, 3: covariance 0.5, standard deviations sqrt(0.5), sqrt(2 / 3).
    assert judged["rank_correlation"] == pytest.approx(0.5 / np.sqrt(0.5 * 2 / 3))
    assert judged["new"] == {"count": 2, "rank_correlation": pytest.approx(1)}


def test_a_point_that_is_not_measured_is_none():
    drawn = promise.Drawn(np.array([0.5]), np.zeros((1, 1), np.int32))
    judged = promise.judge(drawn, lambda g: [np.nan], [1.0, 2.0])
    assert judged["reached"] == [None] and judged["measured"] == 0
    assert np.isnan(judged["mean_error"])


def test_limits_are_kept_more_often_than_by_chance(prior, convolutions):
    known = convolutions(prior.generator.genotypes)
    rows = promise.limits(
        *(jax.random.key(0), prior, convolutions, known),
        device=1,
        shares=(0.1, 0.3),
        count=150,
        sampling=Sampling(guidance=2.0),
    )
    assert [row["limit"] for row in rows] == np.quantile(known, [0.1, 0.3]).tolist()
    for row in rows:
        assert row["share"] == pytest.approx(np.mean(known <= row["limit"]))
        assert row["kept"] > row["share"] + 0.1


def test_held_out_codes_are_shorter_with_their_own_conditions(prior, nb201_trained, convolutions):
    generator = prior.generator
    held_out = nb201_trained.split.held_out
    codes = generation.encode_all(generator.model, generator.variables, held_out)
    known = convolutions(generator.genotypes)
    quality = labels.quantiles(convolutions(held_out), known)[:, None]
    hardware = np.repeat(quality, 2, axis=1)
    bits = promise.bits_told(
        prior.model, prior.params, jnp.asarray(prior.tokens.of(codes)), quality, hardware
    )
    assert set(bits) == {"nothing", "quality", "other_quality", "hardware", "other_hardware"}
    assert bits["quality"] < bits["nothing"] - 0.3 < bits["other_quality"]
    assert bits["hardware"] < bits["nothing"] < bits["other_hardware"]


def test_kinds_without_labels_are_left_out(prior):
    codes = jnp.zeros((4, sum(prior.model.sizes)), jnp.int32)
    bits = promise.bits_told(prior.model, prior.params, codes, np.empty((4, 0)), np.empty((4, 0)))
    assert set(bits) == {"nothing"}
