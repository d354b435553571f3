from __future__ import annotations

import ml_collections
import numpy as np
import pytest

from pnag_jax import methods
from pnag_jax.errors import UsageError
from pnag_jax.methods import evolution, local_search, marginal_eda
from pnag_jax.methods.base import resolve


def test_fields_that_are_not_named_keep_their_defaults():
    chosen = resolve(evolution.Settings, "evolution", {"population": 7})
    assert chosen == evolution.Settings(budget=192, batch=1, population=7, sample=5)
    assert resolve(evolution.Settings, "evolution", None) == evolution.Settings()


def test_a_config_dict_is_accepted_and_numbers_of_numpy_too():
    config = ml_collections.ConfigDict({"floor": 1, "batch": np.int64(3)})
    chosen = resolve(marginal_eda.Settings, "marginal_eda", config)
    assert (chosen.floor, chosen.batch) == (1.0, 3)
    assert type(chosen.floor) is float and type(chosen.batch) is int
    assert hash(chosen) == hash(marginal_eda.Settings(floor=1.0, batch=3))


@pytest.mark.parametrize(
    ("settings", "config", "message"),
    [
        (evolution.Settings, {"popluation": 7}, "'popluation' is unknown; accepted are batch, bud"),
        (evolution.Settings, {"budget": 0}, "budget = 0; accepted are integers of at least 1"),
        (evolution.Settings, {"sample": 2.5}, "sample = 2.5; accepted are integers"),
        (evolution.Settings, {"sample": True}, "sample = True; accepted are integers"),
        (marginal_eda.Settings, {"floor": 1.5}, "floor = 1.5; accepted are numbers from 0.0 to 1"),
        (marginal_eda.Settings, {"floor": float("nan")}, "floor = nan; accepted are numbers"),
        (marginal_eda.Settings, {"power": "2"}, "power = '2'; accepted are numbers"),
        (local_search.Settings, {"first_improvement": 1}, "= 1; accepted are True and False"),
    ],
)
def test_a_wrong_config_is_one_line_that_names_the_field(settings, config, message):
    with pytest.raises(UsageError, match=message) as error:
        resolve(settings, "m", config)
    assert str(error.value).startswith("method m: config field") and "\n" not in str(error.value)


def test_an_unknown_method_is_answered_with_the_accepted_ones():
    with pytest.raises(UsageError, match="'annealing' is unknown; accepted are evolution, fore"):
        methods.get("annealing")
