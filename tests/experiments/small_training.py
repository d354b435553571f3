"""The program that trains architectures, with networks that compile in no time."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from absl import flags

from experiments import train_architectures
from pnag_jax import datasets, networks
from pnag_jax.training.interrupts import Interrupt, Interrupted
from tests.networks import toy

SMALL = (
    *("--space=nb201", "--archs=random:5", "--seeds=2", "--epochs=3", "--batch_size=8"),
    "--skeleton=channels=2,cells=1",
)
ALONE = "--one_at_a_time"


@dataclasses.dataclass
class Signals(Interrupt):
    """Asks to stop when it has been asked that often."""

    left: int = 10**9

    @property
    def requested(self):
        self.left -= 1
        return self.left < 0

    def check(self, saved):
        if self.requested:
            raise Interrupted(15, saved)


def use_toys(setattr: Callable[..., None], *more: str) -> None:
    """Networks of nb201 that are dense layers, for a program of these flags."""
    setattr(networks, "population", lambda space, classes, **_: toy.Toy(classes))
    setattr(datasets, "load", lambda name: toy.data())
    if ALONE in more:
        setattr(networks, "build", lambda space, genes, classes, **_: toy.Plain(classes, genes[0]))


def finish(workdir: Any, *more: str, interrupt: Interrupt | None = None) -> dict[str, Any]:
    values = flags.FlagValues()
    train_architectures.define_flags(values)
    values(["program", *SMALL, "--group=4", f"--workdir={workdir}", *more])
    return train_architectures.run(values, interrupt or Interrupt())
