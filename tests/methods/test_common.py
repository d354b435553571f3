"""What every method of the registry keeps; one suite over all of them."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax import methods, spaces
from pnag_jax.errors import UsageError

BUDGET, N, ROUNDS = 60, 4, 7


@pytest.fixture(params=methods.names())
def method(request) -> methods.Method:
    return methods.get(request.param)


@pytest.fixture
def start(quick_config):
    def start(method, space, seed=0):
        return method.init(jax.random.key(seed), space, quick_config(method.name, budget=BUDGET))

    return start


def plain(tree):
    """Leaves as numpy arrays, typed keys as their data."""

    def leaf(x):
        is_key = jnp.issubdtype(x.dtype, jax.dtypes.prng_key)
        return np.asarray(jax.random.key_data(x) if is_key else x)

    return [leaf(x) for x in jax.tree.leaves(tree)]


def assert_same(left, right):
    assert jax.tree.structure(left) == jax.tree.structure(right)
    for a, b in zip(plain(left), plain(right), strict=True):
        np.testing.assert_array_equal(a, b)


def assert_close(left, right):
    """Equal but for the rounding of numbers that are computed in another order."""
    assert jax.tree.structure(left) == jax.tree.structure(right)
    for a, b in zip(plain(left), plain(right), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def play(method, jitted, space, state, value, rounds=ROUNDS):
    """Asks and tells; returns all proposals ``[rounds, N, L]`` and the last state."""
    ask, tell = jitted(method)
    asked = []
    for _ in range(rounds):
        genotypes, state = ask(state, N)
        state = tell(state, genotypes, value(genotypes))
        asked.append(np.asarray(genotypes))
    return np.stack(asked), state


def test_its_name_and_its_defaults(method, macro):
    assert methods.get(method.name) is method
    defaults = method.default_config(macro)
    assert defaults["budget"] >= 1 and defaults["batch"] >= 1
    state = method.init(jax.random.key(0), macro, None)
    assert_same(state, method.init(jax.random.key(0), macro, defaults))
    with pytest.raises(UsageError, match=f"{method.name}.*'nonsense' is unknown"):
        method.init(jax.random.key(0), macro, {"nonsense": 1})


# Each method meets genes of different ranges and invalid genotypes; each space
# meets a method that mutates.
PAIRS = sorted(
    {(name, "gnn") for name in methods.names()} | {("evolution", name) for name in spaces.names()}
)


@pytest.mark.parametrize(("name", "space_name"), PAIRS)
def test_proposals_are_valid_and_new_up_to_isomorphism(name, jitted, space_name, start):
    method, space = methods.get(name), spaces.get(space_name)
    weights = jax.random.normal(jax.random.key(9), (space.genotype_length,))

    def value(genotypes):
        return jnp.sum(jnp.sin(genotypes * weights), axis=-1)

    asked, _ = play(method, jitted, space, start(method, space), value)
    flat = asked.reshape(-1, space.genotype_length)
    assert asked.dtype == np.int32 and bool(space.is_valid(flat).all())
    assert len(np.unique(np.asarray(space.canonical(flat)), axis=0)) == ROUNDS * N


def test_the_same_key_gives_the_same_search_and_another_does_not(
    method, jitted, macro, hill, start
):
    asked, state = play(method, jitted, macro, start(method, macro), hill)
    again, state_again = play(method, jitted, macro, start(method, macro), hill)
    other, _ = play(method, jitted, macro, start(method, macro, seed=1), hill)
    np.testing.assert_array_equal(asked, again)
    assert_same(state, state_again)
    assert (asked != other).any()


def test_a_second_call_does_not_compile(method, jitted, macro, hill, start):
    _, state = play(method, jitted, macro, start(method, macro), hill, rounds=1)
    compiled = [function._cache_size() for function in jitted(method)]
    play(method, jitted, macro, state, hill)
    assert [function._cache_size() for function in jitted(method)] == compiled


# What ``pnag`` is made of has tests of its own, and ``test_search`` runs all of it for
# several seeds at once: the whole takes long to compile.
SHORT = sorted(set(methods.names()) - {"pnag"})


@pytest.mark.parametrize("name", SHORT)
def test_without_jit_it_is_the_same(name, jitted, macro, hill, start):
    method = methods.get(name)
    _, state = play(method, jitted, macro, start(method, macro), hill, rounds=2)
    ask, tell = jitted(method)
    genotypes, asked = ask(state, N)
    told = tell(asked, genotypes, hill(genotypes))
    genotypes_eager, asked_eager = method.ask(state, N)
    told_eager = method.tell(asked_eager, genotypes, hill(genotypes))
    np.testing.assert_array_equal(genotypes, genotypes_eager)
    assert_close(asked, asked_eager)
    assert_close(told, told_eager)


@pytest.mark.parametrize("name", SHORT)
def test_a_scan_over_seeds_at_once_equals_a_loop_over_each(name, jitted, macro, hill, start):
    method = methods.get(name)
    seeds = jnp.arange(3, 6)

    def search(seed):
        def one_round(state, _):
            genotypes, state = method.ask(state, N)
            return method.tell(state, genotypes, hill(genotypes)), genotypes

        state = start(method, macro, seed)
        return jax.lax.scan(one_round, state, length=ROUNDS)

    states, asked = jax.jit(jax.vmap(search))(seeds)
    for i, seed in enumerate(seeds):
        state = start(method, macro, seed)
        alone, state = play(method, jitted, macro, state, hill)
        np.testing.assert_array_equal(asked[i], alone)
        assert_same(jax.tree.map(lambda x, i=i: x[i], states), state)


def test_what_has_no_value_never_becomes_an_incumbent(method, jitted, macro, hill, start):
    def value(genotypes):
        bad = jnp.array([jnp.nan, jnp.inf, -jnp.inf, 0.0])
        return hill(genotypes) + bad

    asked, state = play(method, jitted, macro, start(method, macro), value)
    good = asked[:, 3]  # of each round the one with a finite value
    best, best_value = state.archive.best()
    assert best_value == hill(good).max() and (good == best).all(-1).any()
    assert state.archive.count == ROUNDS and np.isfinite(best_value)


def test_nothing_but_failures_does_no_harm(method, jitted, macro, start):
    def value(genotypes):
        return jnp.full(genotypes.shape[:-1], jnp.nan)

    asked, state = play(method, jitted, macro, start(method, macro), value)
    assert state.archive.count == 0 and state.archive.best()[1] == -jnp.inf
    assert bool(macro.is_valid(asked).all())
    forms = np.asarray(macro.canonical(asked.reshape(-1, macro.genotype_length)))
    assert len(np.unique(forms, axis=0)) == ROUNDS * N


# Some methods look at graphs, which this space has none of.
@pytest.mark.parametrize(
    "name", sorted(set(methods.names()) - {"forest", "gp", "pnag", "pnag_counts"})
)
def test_a_small_space_is_exhausted_without_a_hang(name, jitted, tiny, start):
    method = methods.get(name)
    value = jnp.array([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0])
    asked, state = play(
        method,
        jitted,
        tiny,
        start(method, tiny),
        lambda genotypes: value[genotypes @ jnp.array([4, 2, 1])],
        rounds=4,
    )
    assert len(np.unique(asked[:2].reshape(-1, 3), axis=0)) == 7  # all but 000
    assert bool(tiny.is_valid(asked).all()) and state.archive.count == 7
    assert state.archive.best()[0].tolist() == [1, 1, 1]
