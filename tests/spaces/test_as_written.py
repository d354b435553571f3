"""A space whose isomorphic genotypes are told apart."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from pnag_jax import spaces

NB201 = spaces.get("nb201")
WRITTEN = spaces.as_written(NB201)


def test_only_the_canonical_form_differs():
    drawn = NB201.sample(jax.random.key(0), 64)
    np.testing.assert_array_equal(WRITTEN.sample(jax.random.key(0), 64), drawn)
    np.testing.assert_array_equal(WRITTEN.canonical(drawn), drawn)
    assert (NB201.canonical(drawn) != drawn).any()
    np.testing.assert_array_equal(WRITTEN.is_valid(drawn), NB201.is_valid(drawn))
    np.testing.assert_array_equal(WRITTEN.flops(drawn), NB201.flops(drawn))
    np.testing.assert_array_equal(WRITTEN.neighbours(drawn), NB201.neighbours(drawn))
    key = jax.random.key(1)
    np.testing.assert_array_equal(WRITTEN.mutate(key, drawn), NB201.mutate(key, drawn))
    assert WRITTEN.to_string(drawn[0]) == NB201.to_string(drawn[0])


def test_it_is_static_under_jit_and_equal_by_value():
    assert spaces.as_written(NB201) == WRITTEN
    assert hash(spaces.as_written(NB201)) == hash(WRITTEN)
    canonical = jax.jit(lambda space, x: space.canonical(x), static_argnums=0)
    assert canonical(WRITTEN, jnp.zeros(6, int)).tolist() == [0] * 6


def test_folded_finds_the_space_behind_parts_and_readings():
    part = spaces.restrict(WRITTEN, NB201.sample(jax.random.key(0), 8))
    for space in (NB201, WRITTEN, part, spaces.restrict(NB201, part.held)):
        assert spaces.folded(space) == NB201


def test_a_part_of_it_holds_isomorphic_genotypes_side_by_side():
    # A skip connection from input to output; what the others do reaches nobody.
    alike = np.array([[0, 0, 0, 1, 0, 0], [3, 0, 0, 1, 0, 0]])
    assert len(spaces.restrict(WRITTEN, alike).held) == 2
    assert len(spaces.restrict(NB201, alike).held) == 1
