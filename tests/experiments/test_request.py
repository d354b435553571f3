"""From what a user asks for to conditions: limits, clashes, what is not accepted."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from configs import nb201
from experiments import request
from experiments.conditioning import Columns
from experiments.prior_labels import Labels
from pnag_jax import spaces
from pnag_jax.errors import UsageError
from pnag_jax.generation.labels import quantile_columns

N = 40
# 500 architectures: the better, the slower; latencies are 1 .. 100 ms.
RISING = np.repeat(np.arange(1.0, 101.0), 5)[:, None]
TOLD = quantile_columns("labels", RISING, 500)
COLUMNS = Columns(spaces.get("nb201"), None, ("toy/acc", "toy/f1"), ("latency/phone",))
LABELS = Labels(None, COLUMNS, np.tile(RISING, 2), RISING, np.tile(TOLD, 2), TOLD, (), {})


def kept_within(error):
    """A prior whose samples exceed what they are asked for by this quantile."""
    asked = np.linspace(0.01, 0.99, 99)
    return lambda device: (asked, asked + error)


def made(labels=LABELS, **asked):
    config = nb201.get_config()
    config.ask.update(asked)
    return request.make(jax.random.key(0), config, labels, N, kept_within(0.105))


def test_a_quality_alone():
    found = made(quality=0.9, task="toy/f1")
    assert (found.conditions.quality == np.float32(0.9)).all() and found.conditions.task == 1
    assert found.conditions.hardware is None and found.conditions.device is None
    assert found.notes == ()


def test_a_limit_alone_keeps_off_it_by_the_error_of_the_prior():
    found = made(limit="latency/phone<=50", keep=1.0)
    assert found.conditions.quality is None and found.conditions.task is None
    assert found.conditions.device == 0
    assert 0.3 < found.conditions.hardware.max() <= 0.39 + 1e-6
    least = made(limit=" latency/phone >= 50 ", keep=1.0)
    # 51 of 100 keep it; there the samples err to the safe side.
    assert 0.38 < least.conditions.hardware.min() < 0.45 and least.limit.at_least


def test_both_where_architectures_have_both():
    found = made(quality=0.3, limit="latency/phone<=50")
    assert found.notes == ()
    assert (found.conditions.quality == np.float32(0.3)).all()
    # Quality is latency here: within the tolerance.
    assert np.abs(found.conditions.hardware - 0.3).max() <= 0.05 + 1e-6


def test_both_where_none_has_both_falls_back_and_says_so():
    found = made(quality=0.95, limit="latency/phone<=50")
    (note,) = found.notes
    assert "0 of 500 architectures have both" in note and "is asked instead" in note
    assert 0.2 < found.conditions.quality.min() <= found.conditions.quality.max() <= 0.4 + 1e-6
    np.testing.assert_array_equal(found.conditions.quality, found.conditions.hardware)


def test_a_quality_outside_of_what_was_told_is_moved_and_said():
    narrow = LABELS._replace(told_quality=0.25 + LABELS.told_quality / 2)
    found = made(labels=narrow, quality=0.95)
    (note,) = found.notes
    assert "config.ask.quality = 0.95: outside" in note
    assert np.abs(found.conditions.quality - 0.745).max() < 0.005


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ({"limit": "latency/phone<5"}, "accepted is one <column><=<number>"),
        ({"limit": "latency/phone<=fast"}, "accepted is one <column><=<number>"),
        ({"limit": "a<=1,b<=2"}, "accepted is one <column><=<number>"),
        ({"limit": "latency/watch<=5"}, "latency/watch is not one of config.prior.hardware"),
        ({"limit": "latency/phone<=0.5"}, "no measured architecture keeps it; latency/phone is fr"),
        ({"limit": "latency/phone>=1000"}, "from 1 to 100"),
        ({"quality": 0.5, "task": "toy/luck"}, "accepted are toy/acc, toy/f1"),
        ({"task": "toy/acc"}, "give config.ask.quality too"),
    ],
)
def test_what_is_not_accepted(asked, part):
    with pytest.raises(UsageError) as caught:
        made(**asked)
    assert part in str(caught.value) and "config.ask." in str(caught.value)


def test_without_a_table_there_is_no_quality():
    config = nb201.get_config()
    config.ask.quality = 0.9
    bare = Columns(spaces.get("nb201"), None, (), ("params", "flops"))
    with pytest.raises(UsageError, match=r"without a table there is no quality.*params or flops"):
        request.check(config, bare)
