"""Shares of a sample by hand, and those of a trained generator."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from pnag_jax import generation, spaces

NB201 = spaces.get("nb201")
VALID = [[3, 3, 3, 3, 3, 3], [1, 1, 1, 1, 1, 1], [0, 0, 0, 2, 0, 0]]
INVALID = [0, 0, 0, 0, 0, 0]


def test_describe_by_hand():
    sample = np.array([*VALID, VALID[0], INVALID])
    shares = generation.describe(NB201, sample, np.array([VALID[1], [4] * 6]))
    # Four of five are valid, three of them distinct, two of these are new.
    assert shares == {"validity": 4 / 5, "uniqueness": 3 / 4, "novelty": 2 / 3}


def test_an_all_invalid_sample_has_no_other_shares():
    shares = generation.describe(NB201, np.array([INVALID] * 3), np.array(VALID))
    assert shares == {"validity": 0, "uniqueness": None, "novelty": None}


def test_an_empty_sample_has_no_shares():
    shares = generation.describe(NB201, np.zeros((0, 6), np.int32), np.array(VALID))
    assert shares == {"validity": None, "uniqueness": None, "novelty": None}


def test_everything_trained_on_is_nothing_new_whatever_its_dtype():
    shares = generation.describe(NB201, np.array(VALID, np.int64), np.array(VALID, np.int16))
    assert shares == {"validity": 1, "uniqueness": 1, "novelty": 0}
    new = generation.describe(NB201, np.array(VALID), np.zeros((0, 6), np.int32))
    assert new["novelty"] == 1


def test_evaluation_of_a_generator(any_trained):
    check_evaluation(any_trained, distinct=False)


def test_evaluation_of_a_generator_without_repeats(nb201_trained):
    check_evaluation(nb201_trained, distinct=True)


def check_evaluation(any_trained, *, distinct):
    generator = any_trained.generator
    result = generation.evaluate(jax.random.key(0), generator, count=500, distinct=distinct)
    assert result["count"] == 500
    assert result["sampling"] == ("without replacement" if distinct else "independent")
    assert result["validity"] == 1
    assert 0.9 <= result["raw_validity"] <= 1
    space = generator.model.space
    # In a small space, repeats and architectures that were trained on are sure to come.
    assert 0.5 < result["uniqueness"] <= 1 and 0.3 < result["novelty"] < 1
    assert (result["uniqueness"] == 1) == distinct
    assert result["training_share"] == len(any_trained.split.train) / space.size
    shares = {"gnn": 26_206 / 59_049, "nb201": 15_284 / 15_625}
    assert result["uniform"]["validity"] == pytest.approx(shares[space.name], abs=0.1)


def test_reconstruction_is_the_share_that_comes_back(any_trained):
    generator, held_out = any_trained.generator, any_trained.split.held_out
    codes = generation.encode_all(generator.model, generator.variables, held_out)
    found = np.asarray(generation.decode_codes(generator, codes))
    same = sum(a.tolist() == b.tolist() for a, b in zip(found, held_out, strict=True))
    assert generation.reconstruction(generator, held_out) == same / len(held_out)
    assert same / len(held_out) > 0.8
    by_chance = (found == np.roll(held_out, 1, axis=0)).mean()
    assert (found == held_out).mean() > by_chance + 0.1
