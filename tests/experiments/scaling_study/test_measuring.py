"""What is measured runs on the devices that it is said to run on."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import jax
import numpy as np
import pytest

from experiments.bench import population
from experiments.bench.timing import Effort
from experiments.scaling_study import measuring
from pnag_jax import networks, spaces
from tests.networks import toy


@pytest.mark.parametrize("space", population._SKELETONS)
def test_populations_that_are_measured_exist(space):
    assert population.exists(space) and networks.has_population(space)
    networks.population(space, 10, **population._SKELETONS[space])


def test_a_population_is_spread_over_the_devices_and_trained(monkeypatch):
    monkeypatch.setattr(networks, "population", lambda *_, **__: toy.Toy(num_classes=10))
    call = population.epoch("nb201", jax.local_devices()[:2], 6)
    members, metrics = call()
    assert members.seed.shape == (2, 3) and len(members.seed.sharding.device_set) == 2
    assert np.unique(members.seed).tolist() == list(range(6))
    assert members.state.step.tolist() == [[population.STEPS] * 3] * 2
    _, later = call()
    assert later["loss"].mean() < metrics["loss"].mean()


def test_rates_count_the_steps_of_all_members(monkeypatch):
    monkeypatch.setattr(networks, "population", lambda *_, **__: toy.Toy(num_classes=10))
    generator: Any = SimpleNamespace(model=SimpleNamespace(space=spaces.get("nb201")))
    found = measuring.measure("population", generator, "pmap", 2, 3, Effort(7, 0.0))
    steps = 2 * 3 / found["seconds"]["median"]
    assert found["rate"]["median"] == pytest.approx(steps) and found["simulated"]
