"""Predicted times beside values worked out by hand."""

from __future__ import annotations

import pytest

from experiments.scaling_study import predict
from experiments.scaling_study.chips import CHIPS
from experiments.scaling_study.hlo import Collective

V5E = CHIPS["v5e"]


def seconds(kind: str, size: float, group: int, shape: tuple[int, ...] = (16, 16)) -> float:
    return predict.collective_seconds(V5E, shape, Collective(kind, size, group, 1, 0))


def test_an_all_reduce_over_a_pod():
    # 2 b (n - 1) / n over four links of 50 GB/s, and 8 + 8 hops there and back.
    expected = 2 * 256e6 * (255 / 256) / 200e9 + 2 * 16 * 1e-6
    assert seconds("all-reduce", 256e6, 256) == pytest.approx(expected)


def test_gathering_along_one_closed_axis_takes_half_of_reducing():
    assert seconds("all-gather", 1e9, 16) == pytest.approx(1e9 * 15 / 16 / 100e9 + 8e-6)
    assert seconds("reduce-scatter", 1e9, 16) == seconds("all-gather", 1e9, 16)
    assert seconds("all-reduce", 1e9, 16) == pytest.approx(2 * seconds("all-gather", 1e9, 16))


def test_an_open_axis_has_one_direction_and_longer_ways():
    # 4 x 4 of v5e: two open axes of 3 hops.
    assert seconds("all-gather", 1e9, 16, (4, 4)) == pytest.approx(1e9 * 15 / 16 / 100e9 + 6e-6)


def test_one_device_exchanges_nothing():
    assert seconds("all-reduce", 1e9, 1) == 0


def test_a_step_is_the_scarcer_resource_and_what_is_not_hidden():
    hidden_half = Collective("collective-permute", 50e3, 256, 2, int(0.5e-6 * V5E.clock))
    found = predict.step(
        V5E, (16, 16), flops=197e9, bytes_accessed=819e6 * 3, collectives=[hidden_half]
    )
    assert found.compute == pytest.approx(1e-3)
    assert found.memory == pytest.approx(3e-3)
    # 1 us of bytes and one hop, twice; half a microsecond of each is hidden.
    assert found.communication == pytest.approx(4e-6)
    assert found.exposed == pytest.approx(3e-6)
    assert found.step == pytest.approx(3e-3 + 3e-6)


def test_what_is_hidden_costs_nothing():
    hidden = Collective("all-reduce", 1e3, 256, 1, 10**9)
    found = predict.step(V5E, (16, 16), flops=1.0, bytes_accessed=0.0, collectives=[hidden])
    assert found.exposed == 0
