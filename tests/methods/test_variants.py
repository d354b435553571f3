"""Methods with other settings, by name."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from pnag_jax import methods, spaces
from pnag_jax.errors import UsageError
from pnag_jax.methods import several

SPACE = spaces.get("macro")


def test_the_settings_of_a_name_count_unless_the_caller_says_otherwise():
    usual, changed = methods.get("evolution"), methods.get("evolution:budget=7")
    assert changed.name == "evolution:budget=7"
    assert changed.default_config(SPACE) == usual.default_config(SPACE) | {"budget": 7}
    key = jax.random.key(0)
    assert changed.init(key, SPACE).settings.budget == 7
    assert changed.init(key, SPACE, {"budget": 9}).settings.budget == 9
    assert usual.init(key, SPACE, {"budget": 7}).settings == changed.init(key, SPACE).settings


def test_proposals_are_those_of_the_same_settings_given_as_a_config():
    key, config = jax.random.key(1), {"budget": 8}
    plain, named = methods.get("random"), methods.get("random:budget=8")
    ours, _ = named.ask(named.init(key, SPACE), 3)
    theirs, _ = plain.ask(plain.init(key, SPACE, config), 3)
    np.testing.assert_array_equal(ours, theirs)


def test_methods_for_several_objectives_have_variants_too():
    assert several.get("nsga2:batch=3").default_config(SPACE)["batch"] == 3


@pytest.mark.parametrize("name", ["gp:", "gp:batch", "gp:batch=x", "gp:2=3", "gp:batch=1:batch=2"])
def test_a_name_of_another_form_is_refused(name):
    with pytest.raises(UsageError, match=r"accepted behind a colon are settings such as batch=4"):
        methods.get(name)


def test_unknown_settings_and_methods_are_refused():
    with pytest.raises(UsageError, match="method gp:depth=3: config field 'depth' is unknown"):
        methods.get("gp:depth=3").default_config(SPACE)
    with pytest.raises(UsageError, match="method 'gqp:batch=3' is unknown; accepted are evol"):
        methods.get("gqp:batch=3")
    with pytest.raises(UsageError, match=r"batch = 0; accepted are integers of at least 1"):
        methods.get("gp:batch=0").init(jax.random.key(0), SPACE)
