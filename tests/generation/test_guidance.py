"""Generation that is steered: who is drawn on from, and that it goes where it is sent."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax import generation, spaces
from pnag_jax.generation import counts, guidance
from pnag_jax.generation.guidance import Guidance

NB201 = spaces.get("nb201")


def convolutions(genotypes) -> jax.Array:
    """Edges of a cell that convolve."""
    return ((jnp.asarray(genotypes) == 2) | (jnp.asarray(genotypes) == 3)).sum(-1).astype(float)


@pytest.fixture(scope="module")
def draw(nb201_trained):
    def draw(n, **fields):
        key = jax.random.key(3)
        return guidance.generate(key, nb201_trained.generator, n, Guidance(**fields))

    return draw


def test_copies_are_as_many_as_gains_deserve():
    gains = jnp.log(jnp.array([0.5, 0.25, 0.125, 0.125]))
    found = guidance.resampled(jax.random.key(0), gains)
    assert np.bincount(found, minlength=4)[:2].tolist() == [2, 1]
    many = guidance.resampled(jax.random.key(0), jnp.repeat(gains, 100))
    copies = np.bincount(np.asarray(many) // 100, minlength=4)
    np.testing.assert_allclose(copies, [200, 100, 50, 50], atol=1)
    assert (np.diff(np.asarray(many)) >= 0).all()


def test_equal_gains_keep_everyone():
    found = guidance.resampled(jax.random.key(1), jnp.zeros(50))
    np.testing.assert_array_equal(found, np.arange(50))


def test_unguided_it_draws_as_the_counts_do(nb201_trained, draw):
    seeds = jax.random.split(jax.random.key(3), 1 + len(nb201_trained.generator.model.scales))[0]
    codes = counts.draw(seeds, nb201_trained.generator.counts, 40)
    expected = generation.decode_codes(nb201_trained.generator, jnp.stack(codes, axis=1))
    np.testing.assert_array_equal(draw(40), expected)


def test_each_way_leads_toward_a_higher_score(nb201_trained, draw):
    usual = convolutions(draw(200))
    margin = 3 * float(usual.std()) / 200**0.5
    weights = convolutions(nb201_trained.generator.genotypes) ** 4
    for fields in ({"weights": weights}, {"temperature": 0.7}, {"oversampling": 4}):
        guided = draw(200, score=convolutions, **fields)
        assert bool(NB201.is_valid(guided).all())
        assert convolutions(guided).mean() > usual.mean() + margin, fields


def test_codes_that_are_drawn_fine_first_are_steered_too(nb201_trained):
    plain = nb201_trained.generator
    model = counts.fit(
        plain.codes, plain.model.num_codes, max_parents=2, min_gain=0.05, first=plain.read
    )
    assert counts.ancestors(model, plain.read) == plain.read
    generator = dataclasses.replace(plain, counts=model)
    key = jax.random.key(3)
    usual = guidance.generate(key, generator, 200, Guidance())
    expected = counts.draw(jax.random.split(key, 1 + len(plain.model.scales))[0], model, 200)
    np.testing.assert_array_equal(
        usual, generation.decode_codes(generator, jnp.stack(expected, axis=1))
    )
    guided = guidance.generate(key, generator, 200, Guidance(score=convolutions, temperature=0.7))
    assert bool(NB201.is_valid(guided).all())
    assert convolutions(guided).mean() > convolutions(usual).mean() + 0.2


def test_the_best_come_first(draw):
    score = convolutions(draw(20, score=convolutions, oversampling=3))
    assert (np.diff(np.asarray(score)) <= 0).all()


def test_a_score_that_is_no_number_is_the_least(draw):
    def score(genotypes):
        return jnp.where(genotypes[:, 0] == 0, jnp.nan, 0.0)

    drawn = draw(200, score=score, temperature=0.5)
    usual = float((draw(200)[:, 0] == 0).mean())
    assert float((drawn[:, 0] == 0).mean()) < usual


def test_partials_end_at_the_whole(nb201_trained):
    generator = nb201_trained.generator
    codes = generation.draw_codes(jax.random.key(5), generator, 60)
    last = guidance.partial(generator, codes.T, len(generator.model.scales) - 1)
    whole = generation.decode_codes(generator, codes)
    # The folded decoder was polished since.
    assert float((last == whole).all(-1).mean()) > 0.7
    first = guidance.partial(generator, codes.T, 0)
    assert bool(NB201.is_valid(first).all())
    other = guidance.partial(generator, codes.at[:, 6:].set(0).T, 0)
    np.testing.assert_array_equal(first, other)  # finer codes are not looked at


def test_jit_is_no_jit(nb201_trained, draw):
    fields = {"score": convolutions, "temperature": 1.0}
    jitted = jax.jit(
        lambda key: guidance.generate(key, nb201_trained.generator, 30, Guidance(**fields))
    )
    np.testing.assert_array_equal(jitted(jax.random.key(3)), draw(30, **fields))
