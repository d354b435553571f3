"""Generation from a key: valid, reproducible, conditional, coarse to fine."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax import generation, spaces
from pnag_jax.generation import generator as generators
from pnag_jax.models import stage1
from tests.generation.conftest import UNTRAINED


def test_all_samples_are_valid(any_trained):
    generator = any_trained.generator
    space = generator.model.space
    drawn = generation.generate(jax.random.key(0), generator, 500)
    assert drawn.shape == (500, space.genotype_length) and drawn.dtype == jnp.int32
    assert np.asarray(space.is_valid(drawn)).all()
    assert len(np.unique(np.asarray(drawn), axis=0)) > 250


@pytest.mark.parametrize("name", UNTRAINED)
def test_even_an_untrained_generator_makes_valid_samples(name):
    space = spaces.get(name)
    genotypes = np.asarray(space.sample(jax.random.key(0), 200))
    model = stage1.Stage1(
        space=space, channels=4, num_codes=8, width=8, hidden=8, schedule="geometric"
    )
    generator = generation.build(
        jax.random.key(2),
        model,
        stage1.init(jax.random.key(1), model),
        genotypes,
        max_parents=0,
        polish_steps=0,
    )
    drawn = generation.generate(jax.random.key(0), generator, 100)
    assert drawn.shape == (100, space.genotype_length) and drawn.dtype == jnp.int32
    assert np.asarray(space.is_valid(drawn)).all()
    assert len(np.unique(np.asarray(drawn), axis=0)) > 1


def test_raw_samples_are_mostly_valid_and_decode_alike(any_trained):
    generator = any_trained.generator
    space = generator.model.space
    raw = generation.generate(jax.random.key(0), generator, 500, raw=True)
    constrained = generation.generate(jax.random.key(0), generator, 500)
    valid = np.asarray(space.is_valid(raw))
    assert valid.mean() > 0.9
    # Where the constraint holds anyway it changes nothing.
    same = (np.asarray(raw) == np.asarray(constrained)).all(-1)
    assert same[valid].all()


def test_the_key_alone_decides_and_nothing_is_compiled_twice(any_trained):
    generator = any_trained.generator
    first = generation.generate(jax.random.key(3), generator, 500)
    compiled = generators._generate._cache_size()
    again = generation.generate(jax.random.key(3), generator, 500)
    other = generation.generate(jax.random.key(4), generator, 500)
    assert generators._generate._cache_size() == compiled
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_one_sample_and_more_than_a_chunk(nb201_trained, monkeypatch):
    generator = nb201_trained.generator
    space = generator.model.space
    assert generation.generate(jax.random.key(0), generator, 1).shape == (1, 6)
    monkeypatch.setattr(generators, "_CHUNK", 64)
    many = np.asarray(generation.generate(jax.random.key(0), generator, 150))
    assert many.shape == (150, 6) and np.asarray(space.is_valid(many)).all()
    chunks = many[:64], many[64:128], many[128:]
    assert (chunks[0] != chunks[1]).any() and (chunks[0][:22] != chunks[2]).any()


def test_distinct_samples_are_distinct_and_start_like_plain_ones(any_trained):
    generator = any_trained.generator
    found = generation.generate_distinct(jax.random.key(0), generator, 500)
    assert found.shape == (500, generator.model.space.genotype_length)
    assert len(np.unique(found, axis=0)) == 500
    assert np.asarray(generator.model.space.is_valid(found)).all()
    again = generation.generate_distinct(jax.random.key(0), generator, 500)
    np.testing.assert_array_equal(found, again)


def test_distinct_samples_end_with_the_rounds(nb201_trained):
    found = generation.generate_distinct(
        jax.random.key(0), nb201_trained.generator, 500, max_rounds=1
    )
    assert len(np.unique(found, axis=0)) == len(found) < 500


def test_a_path_grows_to_the_sample_of_its_key(any_trained):
    generator = any_trained.generator
    model, space = generator.model, generator.model.space
    steps = generation.path(jax.random.key(0), generator)
    assert tuple(step.nodes for step in steps) == model.scales
    for nodes, genotype in steps:
        assert genotype.shape == (space.genotype_length,)
        assert bool(space.is_valid(genotype))
        # A step has no more than its nodes: it is its own coarse version.
        np.testing.assert_array_equal(space.sub_architecture(genotype, nodes), genotype)
    sample = generation.generate(jax.random.key(0), generator, 1)[0]
    np.testing.assert_array_equal(steps[-1].genotype, sample)


def test_weights_steer_the_samples(nb201_trained):
    generator = nb201_trained.generator

    def convolutions(genotypes) -> np.ndarray:
        return (np.asarray(genotypes) == 3).sum(-1)

    weights = jnp.asarray(convolutions(generator.genotypes) >= 3, jnp.float32)
    plain = generation.generate(jax.random.key(0), generator, 500)
    steered = generation.generate(jax.random.key(0), generator, 500, weights=weights)
    assert np.asarray(generator.model.space.is_valid(steered)).all()
    # Six genes of five operations: 10 % of all cells have three or more.
    assert (convolutions(plain) >= 3).mean() < 0.25
    assert (convolutions(steered) >= 3).mean() > 0.6


def test_all_weight_on_one_architecture_gives_it_back(nb201_trained):
    generator = nb201_trained.generator
    weights = jnp.zeros(len(generator.genotypes)).at[7].set(1.0)
    drawn = generation.generate(jax.random.key(0), generator, 500, weights=weights)
    alone = generation.decode_codes(generator, generator.codes[7:8])
    # Contexts that are too rare to be kept leave other architectures in.
    assert (np.asarray(drawn) == np.asarray(alone)).all(-1).mean() > 0.9


def test_codes_decode_to_the_samples_of_their_key(any_trained):
    generator = any_trained.generator
    codes = generation.draw_codes(jax.random.key(0), generator, 500)
    assert codes.shape == (500, generator.codes.shape[1])
    np.testing.assert_array_equal(
        generation.decode_codes(generator, codes),
        generation.generate(jax.random.key(0), generator, 500),
    )


@pytest.mark.parametrize("count", [1, 5, 11])
def test_encoding_goes_batch_by_batch(nb201_trained, count):
    generator = nb201_trained.generator
    genotypes = generator.genotypes[:count]
    codes = generation.encode_all(generator.model, generator.variables, genotypes, batch=5)
    assert codes.dtype == np.int32
    np.testing.assert_array_equal(codes, generator.codes[:count])


def test_what_was_counted_is_what_was_encoded(any_trained):
    generator = any_trained.generator
    positions = stage1.upper_positions(generator.model.scales)
    assert generator.codes.shape == (len(generator.genotypes), len(positions))
    assert generator.codes.min() >= 0 and generator.codes.max() < generator.model.num_codes
    assert generator.counts.num_trained == len(any_trained.split.train)
