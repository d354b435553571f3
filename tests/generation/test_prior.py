"""The prior on every space: valid samples, kept promises, nothing compiled twice."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax.errors import UsageError
from pnag_jax.generation import prior as priors
from pnag_jax.generation import promise
from pnag_jax.generation.prior import Conditions, Sampling
from pnag_jax.models.next_scale import NextScale

TINY = {"width": 16, "num_layers": 1, "num_heads": 2}


@pytest.mark.parametrize(
    ("field", "value"),
    [("temperature", 0), ("temperature", np.nan), ("top_k", -1), ("guidance", -0.5)],
)
def test_sampling_out_of_range_is_refused(field, value):
    with pytest.raises(UsageError, match=f"{field} = {value}"):
        Sampling(**{field: value})


def test_draw_from_logits():
    logits = jnp.log(jnp.array([0.1, 0.6, 0.3]))
    keys = jax.random.split(jax.random.key(0), 4000)

    def shares(sampling: Sampling) -> np.ndarray:
        drawn = jax.vmap(lambda key: priors.draw(key, logits, sampling))(keys)
        return np.bincount(drawn, minlength=3) / 4000

    # Five standard errors are 0.04.
    np.testing.assert_allclose(shares(Sampling()), [0.1, 0.6, 0.3], atol=0.04)
    np.testing.assert_allclose(shares(Sampling(top_k=2)), [0, 2 / 3, 1 / 3], atol=0.04)
    assert shares(Sampling(top_k=1)).tolist() == [0, 1, 0]
    # Squared shares: 0.01, 0.36, 0.09 of 0.46.
    expected = np.array([0.01, 0.36, 0.09]) / 0.46
    np.testing.assert_allclose(shares(Sampling(temperature=0.5)), expected, atol=0.04)


def test_greedy_codes_are_the_best_of_the_uncached_logits():
    guidance = 3.0
    model = NextScale(sizes=(2, 1, 3), num_values=5, width=8, num_layers=2, num_heads=2)
    conditions = Conditions(quality=np.linspace(0, 1, 4)).filled(4, 0)
    none = Conditions().filled(4, 0)
    fresh = jax.jit(model.init)(jax.random.key(0), jnp.zeros((4, 6), jnp.int32), none)
    leaves, structure = jax.tree.flatten(fresh)
    keys = jax.random.split(jax.random.key(1), len(leaves))
    moved = [x + 0.5 * jax.random.normal(k, x.shape) for k, x in zip(keys, leaves, strict=True)]
    params = jax.tree.unflatten(structure, moved)

    sampling = Sampling(top_k=1, guidance=guidance)
    codes = jax.jit(
        lambda key: priors.draw_codes(key, params, conditions, 4, model=model, sampling=sampling)
    )(jax.random.key(2))
    asked, free = (jax.jit(model.apply)(params, codes, given) for given in (conditions, none))
    logits = free + guidance * (asked - free)
    np.testing.assert_array_equal(codes, logits.argmax(axis=-1))
    assert len(np.unique(codes, axis=0)) > 1


def test_labels_of_other_architectures_are_refused(nb201_trained):
    generator = nb201_trained.generator
    count = len(generator.codes)
    with pytest.raises(UsageError, match=rf"quality: of shape \(3,\); one row for each of {count}"):
        priors.train(jax.random.key(0), generator, quality=np.ones(3))
    with pytest.raises(UsageError, match="embeddings: of shape"):
        priors.train(
            jax.random.key(0), generator, quality=np.ones(count), embeddings=np.ones((2, 3))
        )


def test_generators_of_different_spaces_get_a_prior(any_trained):
    generator = any_trained.generator
    space = generator.model.space
    values = np.asarray(space.params(generator.genotypes))
    prior = priors.train(jax.random.key(0), generator, quality=values, num_epochs=1, **TINY)
    drawn = priors.generate(jax.random.key(1), prior, 150, Conditions(quality=0.9))
    assert drawn.shape == (150, space.genotype_length) and drawn.dtype == jnp.int32
    assert np.asarray(space.is_valid(drawn)).all()


def test_it_gives_what_it_is_asked_for(prior, convolutions):
    known = convolutions(prior.generator.genotypes)
    asked = {"key": jax.random.key(1), "prior": prior, "measure": convolutions, "among": known}
    quality = promise.reached(**asked, asked=(0.1, 0.5, 0.9), each=50)
    assert quality["rank_correlation"] > 0.6 and quality["measured"] == 1
    assert quality["reached"] == sorted(quality["reached"])
    guided = promise.reached(
        **asked, asked=(0.1, 0.5, 0.9), each=50, sampling=Sampling(guidance=2.0)
    )
    assert guided["rank_correlation"] > 0.6
    # Further to the ends than without guidance.
    assert guided["reached"][0] < quality["reached"][0] + 0.02
    assert guided["reached"][2] > quality["reached"][2] - 0.02
    hardware = promise.reached(
        **asked, field="hardware", fixed=Conditions(device=1), asked=(0.1, 0.5, 0.9), each=50
    )
    assert hardware["rank_correlation"] > 0.6


def test_samples_of_nothing_asked_are_like_the_training_set(prior, convolutions):
    space, known = prior.generator.model.space, prior.generator.genotypes
    raw = priors.generate(jax.random.key(2), prior, 150, raw=True)
    assert np.asarray(space.is_valid(raw)).mean() > 0.9
    assert len(np.unique(raw, axis=0)) > 100
    # Mean 2.4 convolutions with a standard deviation of 1.2: 0.5 is five errors.
    assert abs(convolutions(raw).mean() - convolutions(known).mean()) < 0.5


def test_the_key_alone_decides_and_nothing_is_compiled_twice(prior):
    first = priors.generate(jax.random.key(3), prior, 150, Conditions(quality=0.5))
    compiled = priors._generate._cache_size()
    again = priors.generate(jax.random.key(3), prior, 150, Conditions(quality=0.5))
    other = priors.generate(
        jax.random.key(4), prior, 150, Conditions(quality=np.full(150, 0.2), hardware=0.5, device=1)
    )
    assert priors._generate._cache_size() == compiled
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_vmap_over_keys_and_conditions_is_a_loop(prior):
    keys = jax.random.split(jax.random.key(5), 2)
    quality = jnp.array([0.1, 0.9])

    def generate(key, quality):
        return priors.generate(key, prior, 20, Conditions(quality=quality))

    mapped = jax.vmap(generate)(keys, quality)
    looped = [generate(key, q) for key, q in zip(keys, quality, strict=True)]
    np.testing.assert_array_equal(mapped, looped)


def test_every_sample_may_ask_for_something_else(prior, convolutions):
    asked = np.repeat([0.05, 0.95], 75)
    drawn = convolutions(priors.generate(jax.random.key(6), prior, 150, Conditions(quality=asked)))
    assert drawn[75:].mean() > drawn[:75].mean() + 2


def test_conditions_are_checked(prior):
    with pytest.raises(UsageError, match="quality = 2"):
        priors.generate(jax.random.key(0), prior, 10, Conditions(quality=2))
    with pytest.raises(UsageError, match=r"device = 2; accepted are 0 .. 1"):
        priors.generate(jax.random.key(0), prior, 10, Conditions(hardware=0.5, device=2))


def test_a_prior_is_known_by_identity(prior):
    assert prior != dataclasses.replace(prior) and hash(prior)
