"""Tables of counts against the frequencies they were counted from."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax.generation import counts

M = 3000
N = 20_000


@pytest.fixture(scope="module")
def codes() -> np.ndarray:
    """Three codes of four values, the second and third dependent; a constant."""
    generator = np.random.default_rng(0)
    a = generator.choice(4, M, p=[0.4, 0.3, 0.2, 0.1])
    b = np.where(generator.random(M) < 0.7, a, generator.integers(0, 4, M))
    c = np.where(generator.random(M) < 0.8, np.maximum(a, b), generator.integers(0, 4, M))
    return np.stack([a, b, np.full(M, 3), c], axis=1).astype(np.int32)


@pytest.fixture(scope="module")
def model(codes) -> counts.CountModel:
    return counts.fit(codes, 4)


draw = jax.jit(counts.draw, static_argnames=("n", "wanted"))


def histogram(rows: np.ndarray, weights=None) -> np.ndarray:
    return np.histogramdd(rows, bins=[np.arange(5) - 0.5] * rows.shape[1], weights=weights)[0]


def stacked(drawn) -> np.ndarray:
    return np.stack([np.asarray(code) for code in drawn], axis=1)


def test_layout_of_the_planted_structure(model):
    assert [layout.parents for layout in model.layouts][:3] == [(), (0,), ()]
    assert sorted(model.layouts[3].parents) == [0, 1]
    assert (model.num_values, model.num_trained) == (4, M)


def test_draws_have_the_joint_frequencies_of_the_codes(codes, model, assert_frequencies):
    drawn = stacked(draw(jax.random.key(0), model, N))
    assert drawn.dtype == np.int32 and drawn.shape == (N, 4)
    assert (drawn[:, 2] == 3).all()
    # Contexts that were seen often enough are exact, and here they say it all.
    assert_frequencies(histogram(drawn[:, [0, 1]]), histogram(codes[:, [0, 1]]))
    for value in range(4):
        inside, trained = drawn[drawn[:, 0] == value], codes[codes[:, 0] == value]
        frequent = np.bincount(trained[:, 1], minlength=4).argmax()
        assert_frequencies(
            np.bincount(inside[inside[:, 1] == frequent][:, 3], minlength=4),
            np.bincount(trained[trained[:, 1] == frequent][:, 3], minlength=4),
        )


def test_a_rare_context_is_shortened(assert_frequencies):
    # The second code copies the first; of its last value there are 5 rows only.
    a = np.repeat([0, 1, 2], [200, 100, 5])
    codes = np.stack([a, a], axis=1)
    model = counts.fit(codes, 3, min_count=8)
    assert model.layouts[1].parents == (0,)
    drawn = stacked(draw(jax.random.key(0), model, N))
    for value in (0, 1):
        assert (drawn[drawn[:, 0] == value][:, 1] == value).all()
    rare = drawn[drawn[:, 0] == 2][:, 1]
    assert_frequencies(np.bincount(rare, minlength=3)[:2], [200, 100])
    exact = counts.fit(codes, 3, min_count=1)
    drawn = stacked(draw(jax.random.key(0), exact, N))
    assert (drawn[:, 0] == drawn[:, 1]).all()


def test_draws_depend_on_the_key_alone(model):
    one, same, other = (stacked(draw(jax.random.key(seed), model, 200)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


@pytest.mark.parametrize("wanted", [{3}, {1, 2}, {0}])
def test_what_is_wanted_does_not_change_what_is_drawn(model, wanted):
    every = draw(jax.random.key(0), model, 500)
    some = draw(jax.random.key(0), model, 500, wanted=frozenset(wanted))
    needed = counts.ancestors(model, frozenset(wanted))
    assert wanted <= needed
    for position, code in enumerate(some):
        assert (code is not None) == (position in needed)
        if code is not None:
            np.testing.assert_array_equal(code, every[position])


def test_ancestors_are_the_parents_parents_too():
    a = np.random.default_rng(0).integers(0, 4, M)
    model = counts.fit(np.stack([a, 3 - a, a], axis=1), 4)
    parents = [layout.parents for layout in model.layouts]
    assert parents == [(), (0,), (0,)]
    assert counts.ancestors(model, frozenset({2})) == {0, 2}
    assert counts.ancestors(model, frozenset()) == frozenset()


def test_what_comes_first_has_contexts_of_its_own_alone(codes, assert_frequencies):
    model = counts.fit(codes, 4, first={1, 3})
    assert model.order == (1, 3, 0, 2)
    assert [layout.parents for layout in model.layouts][1:] == [(), (), (1,)]
    assert set(model.layouts[0].parents) == {1, 3}
    assert counts.in_order(model, frozenset({0, 2})) == [1, 3, 0, 2]
    assert counts.in_order(model, frozenset({3})) == [1, 3]
    drawn = stacked(draw(jax.random.key(0), model, N))
    assert_frequencies(histogram(drawn[:, [1, 3]]), histogram(codes[:, [1, 3]]))
    # The same joint distribution, told in another order.
    assert_frequencies(histogram(drawn[:, [0, 1]]), histogram(codes[:, [0, 1]]))


# -- weights ---------------------------------------------------------------------


def test_weighted_draws_have_weighted_frequencies(codes, model, assert_frequencies):
    weights = np.random.default_rng(1).choice([0.5, 1.0, 4.0], M)
    weights[codes[:, 0] == 2] = 0
    drawn = stacked(draw(jax.random.key(0), model, N, weights=jnp.asarray(weights)))
    assert (drawn[:, 0] != 2).all()
    assert_frequencies(histogram(drawn[:, [0, 1]]), histogram(codes[:, [0, 1]], weights))


def test_even_weights_are_no_weights(codes, model, assert_frequencies):
    drawn = stacked(draw(jax.random.key(0), model, N, weights=jnp.full(M, 0.1)))
    assert_frequencies(histogram(drawn[:, [0, 1]]), histogram(codes[:, [0, 1]]))


@pytest.mark.parametrize("row", [0, 1234, M - 1])
def test_all_weight_on_one_architecture_gives_its_codes(codes, model, row):
    weights = jnp.zeros(M).at[row].set(1e-3)
    drawn = stacked(draw(jax.random.key(0), model, 300, weights=weights))
    # The tree keeps that row in every context that it is itself in.
    np.testing.assert_array_equal(drawn, np.tile(codes[row], (300, 1)))


def test_without_any_weight_the_counts_are_plain(model):
    plain = draw(jax.random.key(0), model, 500)
    nothing = draw(jax.random.key(0), model, 500, weights=jnp.zeros(M))
    np.testing.assert_array_equal(stacked(plain), stacked(nothing))


def draw_slot(weights, *where):
    return counts._weighted_slot(counts._as_units(weights), *where)


def test_rounded_sums_never_choose_what_weighs_nothing():
    # Weights of many magnitudes: a running float32 sum loses the small ones.
    generator = np.random.default_rng(0)
    weights = 10.0 ** generator.uniform(-6, 4, 4000) * (generator.random(4000) < 0.5)
    weights = jnp.asarray(weights, jnp.float32)
    start = jnp.asarray(generator.integers(0, 3990, 50_000), jnp.int32)
    length = jnp.asarray(generator.integers(1, 10, 50_000), jnp.int32)
    u = jnp.asarray(generator.choice([0.0, 0.5, 1 - 2.0**-24], 50_000), jnp.float32)
    slot = np.asarray(jax.jit(draw_slot)(weights, start, length, u))
    window = np.asarray(start)[:, None] + np.arange(10)
    inside = np.arange(10) < np.asarray(length)[:, None]
    has_weight = ((np.asarray(weights)[np.minimum(window, 3999)] > 0) & inside).any(1)
    np.testing.assert_array_equal(slot >= 0, has_weight)
    assert (np.asarray(weights)[slot[has_weight]] > 0).all()
    assert (slot >= start)[has_weight].all() and (slot < start + length)[has_weight].all()


# -- random numbers ----------------------------------------------------------------

SAMPLES = 2**16
POSITIONS = 12


@pytest.fixture(scope="module", params=["random seeds", "neighbouring seeds"])
def uniforms(request) -> np.ndarray:
    """``[POSITIONS, SAMPLES]``."""
    if request.param == "random seeds":
        seeds = jax.random.bits(jax.random.key(0), (2, SAMPLES), jnp.uint32)
    else:  # the hardest ones: one word counts, the other stays
        seeds = jnp.stack([jnp.arange(SAMPLES), jnp.zeros(SAMPLES)]).astype(jnp.uint32)
    numbers = jax.jit(
        lambda s: counts.as_uniform(jnp.stack([counts.hashed_bits(s, p) for p in range(POSITIONS)]))
    )
    return np.asarray(numbers(seeds))


def test_hashed_numbers_are_uniform(uniforms, assert_frequencies):
    assert uniforms.dtype == np.float32
    assert uniforms.min() >= 0 and uniforms.max() < 1
    for row in uniforms:
        assert_frequencies(np.histogram(row, 256, (0, 1))[0], np.ones(256))


def test_hashed_numbers_of_a_sample_are_independent(uniforms, assert_frequencies):
    correlation = np.corrcoef(uniforms) - np.eye(POSITIONS)
    assert np.abs(correlation).max() < 5 / np.sqrt(SAMPLES)
    for one, next_ in itertools.pairwise(uniforms):
        assert_frequencies(np.histogram2d(one, next_, 24, [(0, 1)] * 2)[0], np.ones((24, 24)))


def test_hashed_numbers_of_neighbouring_samples_are_independent(uniforms, assert_frequencies):
    for row in uniforms:
        for lag in (1, 2, 64):
            pairs = np.histogram2d(row[:-lag], row[lag:], 24, [(0, 1)] * 2)[0]
            assert_frequencies(pairs, np.ones((24, 24)))


def test_a_flipped_bit_of_a_seed_flips_half_the_bits():
    seeds = np.asarray(jax.random.bits(jax.random.key(0), (2, 2000), jnp.uint32))

    def bits(seeds):
        return np.asarray(counts.hashed_bits(jnp.asarray(seeds), 3))

    before = bits(seeds)
    for word in range(2):
        for bit in range(0, 32, 5):
            flipped = seeds.copy()
            flipped[word] ^= np.uint32(1 << bit)
            changed = before ^ bits(flipped)
            share = np.mean([(changed >> k) & 1 for k in range(32)], axis=1)
            assert np.abs(share - 0.5).max() < 0.08  # 7 sigma
