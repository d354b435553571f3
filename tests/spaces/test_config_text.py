"""JSON configs that are read, and those that are not."""

from __future__ import annotations

import pytest

from pnag_jax.spaces import SpaceError, config_text


def test_an_object_of_the_keys_is_read():
    assert config_text.read("toy", ' {"b": [1], "a": 2}\n', ("a", "b")) == {"a": 2, "b": [1]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "^toy: '{' is not JSON: "),
        ("[" * 100_000, "is not JSON"),
        ("[1]", "is not an object of a, b"),
        ('{"a": 1}', "is not an object of a, b"),
        ('{"a": 1, "b": 1, "c": 1}', "is not an object of a, b"),
    ],
)
def test_what_is_no_such_object(text, message):
    with pytest.raises(SpaceError, match=message):
        config_text.read("toy", text, ("a", "b"))


@pytest.mark.parametrize("found", [True, 1.0, 2, "1", None, [1]])
def test_a_value_must_be_one_of_the_accepted_in_type_too(found):
    assert config_text.check("toy", "a", 1, (1, 3)) == 1
    with pytest.raises(SpaceError, match=r"^toy: a = .*; accepted are 1, 3$"):
        config_text.check("toy", "a", found, (1, 3))


def test_every_entry_of_a_list_has_its_own_values():
    assert config_text.check_list("toy", "a", [1, 5], ((1, 3), (5,))) == [1, 5]
    with pytest.raises(SpaceError, match="a of layer 1 = 3; accepted are 5"):
        config_text.check_list("toy", "a", [1, 3], ((1, 3), (5,)))
    for found in (1, [1], [1, 5, 5]):
        with pytest.raises(SpaceError, match=r"a = .*; accepted are lists of 2"):
            config_text.check_list("toy", "a", found, ((1, 3), (5,)))


def test_many_numbers_are_told_by_their_ends():
    assert config_text.listed(range(20)) == ", ".join(map(str, range(20)))
    assert config_text.listed((*range(0, 30), 32, 34, 35)) == "0 .. 29, 32, 34, 35"
