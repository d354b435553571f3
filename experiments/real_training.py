"""Trains architectures group by group with checkpoints: resumable, and done once."""

from __future__ import annotations

import os
import pathlib
import shutil
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from pnag_jax import networks
from pnag_jax.datasets import Dataset
from pnag_jax.networks.member import Alone
from pnag_jax.networks.population_training import Trainer
from pnag_jax.networks.recipe import Recipe
from pnag_jax.training import metrics
from pnag_jax.training.checkpoints import Checkpoints
from pnag_jax.training.interrupts import Interrupt
from pnag_jax.training.progress import Progress

# A group's members are saved when so many seconds have passed.
_SAVE_SECONDS = 120
_FOUND = ("valid_accuracy", "test_accuracy")


class Plan(NamedTuple):
    """What is trained.

    Attributes:
      space_name: of the architectures.
      genotypes: int32 ``[n, L]``.
      seeds: one training of every architecture each.
      data: to train on.
      recipe: how.
      skeleton: fields of the space's.
      group: trainings in one program.
      together: whether the architecture is data; one compiled program each if not.
    """

    space_name: str
    genotypes: np.ndarray
    seeds: tuple[int, ...]
    data: Dataset
    recipe: Recipe
    skeleton: Mapping[str, Any]
    group: int
    together: bool

    @property
    def groups(self) -> list[np.ndarray]:
        """Trainings, numbered architecture by architecture, as they go together."""
        count = len(self.genotypes) * len(self.seeds)
        size = self.group if self.together else len(self.seeds)
        return np.split(np.arange(count), np.arange(size, count, size))


class Found(NamedTuple):
    """What training came to, in percent: float32 ``[n, seeds]``, NaN where not trained."""

    valid_accuracy: np.ndarray
    test_accuracy: np.ndarray


def run(
    plan: Plan,
    workdir_path: str | os.PathLike[str],
    *,
    interrupt: Interrupt,
    progress: Progress,
    strict_resume: bool = False,
    after_group: Any = None,
) -> Found:
    """Trains what is not trained yet.

    Writes ``metrics.jsonl``, one line an epoch of a group, and ``checkpoints``.

    Args:
      plan: what.
      workdir_path: a folder that this process alone writes to.
      interrupt: flag of a signal.
      progress: where progress is shown.
      strict_resume: refuse a damaged newest checkpoint.
      after_group: called with what is found so far.

    Raises:
      UsageError: a batch of more images than there are.
      UserError: the system refuses a write.
      DataError: a damaged checkpoint.
      Interrupted: a signal came; the epoch was finished and saved.
    """
    folder = pathlib.Path(workdir_path)
    groups, epochs = plan.groups, plan.recipe.epochs
    finished = Checkpoints(folder / "checkpoints" / "finished", keep=2)
    found = np.full((len(_FOUND), groups[-1][-1] + 1), np.nan, np.float32)
    restored = finished.restore(found, strict=strict_resume)
    finished.clean()
    done = 0 if restored is None else restored.step
    found = found if restored is None else restored.tree
    trainer: Trainer | None = None
    with (
        metrics.MetricsWriter(folder) as writer,
        progress.task(plan.space_name, len(groups) * epochs, done=done * epochs) as bar,
    ):
        for number, jobs in enumerate(groups):
            if number < done:
                continue
            if trainer is None or not plan.together:
                trainer = _trainer(plan, jobs[0])
            part = _Group(plan, trainer, number, jobs, folder / "checkpoints" / f"group{number}")
            accuracies = part.run(writer, bar, interrupt, strict_resume)
            found[:, jobs] = [accuracies[name] for name in _FOUND]
            writer.flush(durable=True)
            # A diverged training is a finding; what was not trained is NaN.
            finished.save(number + 1, found, require_finite=False)
            part.forget()
            if after_group is not None and number + 1 < len(groups):
                after_group(_as_found(plan, found))
            interrupt.check(f"group {number + 1} of {len(groups)} is saved in {folder}")
    return _as_found(plan, found)


def _as_found(plan: Plan, found: np.ndarray) -> Found:
    return Found(*found.reshape(len(_FOUND), len(plan.genotypes), len(plan.seeds)))


def _trainer(plan: Plan, job: int) -> Trainer:
    """Of all groups, or of the architecture of one training."""
    classes = plan.data.num_classes
    if plan.together:
        net = networks.population(plan.space_name, classes, **plan.skeleton)
        return Trainer(net, plan.recipe, plan.data)
    genotype = plan.genotypes[job // len(plan.seeds)]
    network = networks.build(plan.space_name, genotype, classes, **plan.skeleton)
    # More devices than trainings would train copies.
    devices = jax.local_devices()[: len(plan.seeds)]
    return Trainer(Alone(network), plan.recipe, plan.data, devices=devices)


class _Group:
    """Trainings that go together, with checkpoints of their own."""

    def __init__(
        self, plan: Plan, trainer: Trainer, number: int, jobs: np.ndarray, folder: pathlib.Path
    ):
        self._trainer, self._number = trainer, number
        self._epochs, self._count = plan.recipe.epochs, len(jobs)
        # Every group is as large, so that one program serves all: the last is filled up.
        places = np.minimum(np.arange(len(plan.groups[0])), len(jobs) - 1)
        self._genotypes = plan.genotypes[jobs[places] // len(plan.seeds)]
        self._seeds = np.array(plan.seeds, np.uint32)[jobs[places] % len(plan.seeds)]
        self._checkpoints = Checkpoints(folder, keep=1)

    def run(
        self, writer: metrics.MetricsWriter, bar: Any, interrupt: Interrupt, strict: bool
    ) -> dict[str, np.ndarray]:
        """Validation and test accuracy of each training."""
        size = len(self._seeds)
        members = self._trainer.create(self._genotypes, self._seeds)
        restored = self._checkpoints.restore(members, strict=strict)
        done = 0 if restored is None else restored.step
        placed = self._trainer.place(members if restored is None else restored.tree)
        first = self._number * self._epochs
        writer.truncate(first + done if first + done else -1)
        saved = time.monotonic()
        for epoch in range(done, self._epochs):
            start = time.monotonic()
            placed, logged = self._trainer.epoch(placed, epoch)
            logged = self._trainer.fetch(logged, self._count)
            best = float(logged["valid_accuracy"].max())
            with np.errstate(all="ignore"):
                line = {
                    "loss": _mean(logged["loss"]),
                    "valid_accuracy": _mean(logged["valid_accuracy"]),
                    "best_valid_accuracy": best,
                    "group": self._number,
                }
            now = time.monotonic()
            writer.write(first + epoch + 1, line, {"seconds": now - start})
            writer.flush()
            bar.update(first + epoch + 1, loss=line["loss"], valid=line["valid_accuracy"])
            if epoch + 1 < self._epochs and (interrupt.requested or now - saved > _SAVE_SECONDS):
                writer.flush(durable=True)
                whole = self._trainer.fetch(placed, size)
                self._checkpoints.save(epoch + 1, whole, require_finite=False)
                saved = now
                interrupt.check(
                    f"epoch {epoch + 1} of group {self._number + 1} is saved in"
                    f" {self._checkpoints.folder}"
                )
        return self._trainer.accuracies(placed, self._count)

    def forget(self) -> None:
        """Deletes the members: what was found is saved."""
        shutil.rmtree(self._checkpoints.folder, ignore_errors=True)


def _mean(values: np.ndarray) -> float:
    """Of those that are finite; NaN where none is."""
    finite = values[np.isfinite(values)]
    return float(finite.mean(dtype=np.float64)) if len(finite) else float("nan")
