"""Which codes become tokens, and how the others are found again."""

from __future__ import annotations

import itertools

import jax.numpy as jnp
import numpy as np

from pnag_jax.generation import tokens
from pnag_jax.models import stage1

# All 8 strings of three bits.
A, B, C = np.array(list(itertools.product((0, 1), repeat=3))).T


def chosen(columns, scale_of, read, **settings):
    codes = np.stack(columns, axis=1)
    return tokens.choose(codes, np.array(scale_of), frozenset(read), 4, **settings)


def test_a_code_that_repeats_another_of_its_scale_is_no_token():
    found = chosen([A, B, A, A, B, C], [0, 0, 0, 1, 1, 1], {3, 4, 5})
    assert found.layout.scales == ((0, 1), (5,))
    # Positions 3 and 4 by the tokens 0 and 1; both parents may be one.
    assert [row[0] for row in found.layout.looked_up] == [3, 4]


def test_a_code_that_mixes_two_of_its_scale_is_no_token():
    pair = 2 * A + B
    found = chosen([A, pair, C, pair, C], [0, 0, 0, 1, 1], {3, 4})
    # The pair says most, A nothing new, C is independent.
    assert found.layout.scales == ((1, 2),)
    assert found.layout.looked_up == ((3, 0, 0), (4, 1, 1))


def test_what_a_coarser_scale_says_is_not_said_again():
    pair = 2 * A + B
    found = chosen([A, pair, C, A, B, C], [0, 1, 1, 2, 2, 2], {3, 4, 5})
    assert found.layout.scales == ((0,), (1, 2))


def test_sharing_may_be_allowed():
    pair = 2 * A + B
    columns, scale_of = [A, pair, pair, C], [0, 0, 1, 1]
    assert chosen(columns, scale_of, {2, 3}).layout.scales == ((1,), (3,))
    found = chosen(columns, scale_of, {2, 3}, max_shared=9, min_new=-1)
    assert found.layout.scales == ((0, 1), (3,))


def test_codes_of_the_last_scale_that_share_something_are_predicted_in_two_passes():
    columns, scale_of = [np.zeros(8, int), 2 * A + B, A + 2 * C], [0, 1, 1]
    assert chosen(columns, scale_of, {1, 2}).layout.scales == ((1, 2),)
    found = chosen(columns, scale_of, {1, 2}, split_last=True)
    assert found.layout.scales == ((1,), (2,)) and found.layout.positions == (1, 2)
    # Independent ones stay together.
    found = chosen([np.zeros(8, int), A, B], scale_of, {1, 2}, split_last=True)
    assert found.layout.scales == ((1, 2),)


def test_constants_are_looked_up():
    found = chosen([A, np.full(8, 3), A], [0, 1, 1], {1, 2})
    assert found.layout.scales == ((0,),)
    strings = found.spread(jnp.array([[0], [1]]), frozenset({1, 2}))
    assert strings[0] is None
    assert [x.tolist() for x in strings[1:]] == [[3, 3], [0, 1]]


def test_tables_by_hand():
    # (first, second) -> value: (0, 0) -> 2, (0, 1) -> 2, (1, 1) -> 3, twice.
    columns = np.array([[2, 0, 0], [2, 0, 1], [3, 1, 1], [3, 1, 1], [3, 1, 1]])
    # Unseen (1, 0): what goes with first = 1; unseen first = 2: the commonest of all.
    np.testing.assert_array_equal(tokens._table(columns, 3), [[2, 2, 2], [3, 3, 3], [3, 3, 3]])


def test_tokens_give_all_read_codes_back(any_trained):
    generator = any_trained.generator
    scale_of = stage1.upper_positions(generator.model.scales)[:, 0]
    found = tokens.choose(generator.codes, scale_of, generator.read, generator.model.num_codes)
    layout = found.layout
    assert hash(layout) == hash(found.layout)
    # Codes that follow from others do so in a quantizer that has learnt something.
    assert sum(layout.sizes) < len(generator.read)
    assert [scale_of[list(s)].tolist() for s in layout.scales] == [
        [scale_of[s[0]]] * len(s) for s in layout.scales
    ]
    strings = found.spread(jnp.asarray(found.of(generator.codes)), generator.read)
    for position, column in enumerate(strings):
        if position in generator.read:
            np.testing.assert_array_equal(column, generator.codes[:, position])
        else:
            assert column is None


def test_scales_that_are_read_too():
    # Two codes of a first scale and two of a second, as in the residual form.
    found = chosen([A, B, A, C], [0, 0, 1, 1], {0, 1, 2, 3})
    assert found.layout.positions == (0, 1, 3)
    strings = found.spread(jnp.array([[1, 0, 1]]), frozenset({0, 1, 2, 3}))
    assert [int(x[0]) for x in strings] == [1, 0, 1, 1]
