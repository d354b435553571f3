"""Population training as it is measured: short epochs of many architectures at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from pnag_jax import datasets, networks, spaces
from pnag_jax.datasets import Part
from pnag_jax.networks.population_training import Trainer
from pnag_jax.networks.recipe import Recipe

# Of an epoch, which ends with as many images of validation as a step has.
STEPS, _BATCH_SIZE = 2, 64
# Around the searched part, smaller than the literature's: what is studied is how
# members spread over devices, which exchange nothing.
_SKELETONS: dict[str, dict[str, Any]] = {
    "nb201": {"channels": 4, "cells": 1},
    "macro": {"channels": 8, "head_channels": 64},
}


def exists(space_name: str) -> bool:
    """Whether there is something to measure: small images fit the space's networks."""
    return space_name in _SKELETONS


def epoch(space_name: str, devices: Sequence[jax.Device], members: int) -> Callable[[], Any]:
    """A function that trains all members for ``STEPS`` steps more, on digits.

    Args:
      space_name: one that ``exists``.
      devices: that the members are spread over.
      members: of all devices, each a uniform draw from the space.
    """
    data = datasets.load("digits")
    some = dataclasses.replace(
        data, train=_first(data.train, STEPS * _BATCH_SIZE), valid=_first(data.valid, _BATCH_SIZE)
    )
    net = networks.population(space_name, data.num_classes, **_SKELETONS[space_name])
    trainer = Trainer(net, Recipe(batch_size=_BATCH_SIZE), some, devices=devices)
    genotypes = np.asarray(spaces.get(space_name).sample(jax.random.key(0), members))
    held = [trainer.place(trainer.create(genotypes, np.arange(members, dtype=np.uint32)))]

    def call() -> Any:
        # The members are donated to the epoch, which gives back the next ones.
        held[0], metrics = trainer.epoch(held[0], 0)
        return held[0], metrics

    return call


def _first(part: Part, count: int) -> Part:
    return Part(*(values[:count] for values in part))
