"""Trains architectures group by group with checkpoints: resumable, and done once.

Several processes spread a group over the devices of all.  Architectures that are
compiled one by one are each trained by one process, as many at a time as there
are processes.  Either way the files are those of one process with as many devices.
"""

from __future__ import annotations

import json
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
from pnag_jax.training import hosts, metrics
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
    done = 0
    # The leader alone knows what is finished, and keeps it.
    if hosts.leads():
        restored = finished.restore(found, strict=strict_resume)
        finished.clean()
        if restored is not None:
            done, found = restored.step, restored.tree
    told_done, found = hosts.told((np.int32(done), found))
    done, found = int(told_done), np.array(found)
    trainer: Trainer | None = None
    at_once = 1 if plan.together else hosts.count()
    with (
        metrics.MetricsWriter(folder) as writer,
        progress.task(plan.space_name, len(groups) * epochs, done=done * epochs) as bar,
    ):
        for first in range(done, len(groups), at_once):
            now = range(first, min(first + at_once, len(groups)))
            # Where fewer are left than there are processes, the last is trained twice.
            number = now[min(hosts.index(), len(now) - 1)]
            if trainer is None or not plan.together:
                trainer = _trainer(plan, groups[number][0])
            kept = folder / "checkpoints" / f"group{number}"
            part = _Group(plan, trainer, number, groups[number], kept)
            if at_once == 1:
                accuracies = [part.run(writer, bar, interrupt, strict_resume)]
            else:
                accuracies = _side_by_side(part, writer, bar, len(now), strict_resume)
            for one, values in zip(now, accuracies, strict=True):
                found[:, groups[one]] = [values[name] for name in _FOUND]
            writer.flush(durable=True)
            if hosts.leads():
                # A diverged training is a finding; what was not trained is NaN.
                finished.save(now[-1] + 1, found, require_finite=False)
                if after_group is not None and now[-1] + 1 < len(groups):
                    after_group(_as_found(plan, found))
            part.forget()
            interrupt.agree()
            interrupt.check(f"group {now[-1] + 1} of {len(groups)} is saved in {folder}")
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
    # Each process has an architecture of its own; more devices than trainings would
    # train copies.
    devices = jax.local_devices()[: len(plan.seeds)]
    return Trainer(Alone(network), plan.recipe, plan.data, devices=devices)


def _side_by_side(
    part: _Group, writer: metrics.MetricsWriter, bar: Any, count: int, strict: bool
) -> list[dict[str, np.ndarray]]:
    """Trains as many groups at a time as there are processes, each one of its own.

    Args:
      part: this process's.
      writer: gets the lines of all, group by group.
      bar: where this one's progress is shown.
      count: how many of the processes' groups count.
      strict: refuse a damaged newest checkpoint.

    Returns:
      Accuracies by group, on all processes.
    """
    kept = _Kept([])
    # A signal is heeded behind the groups: before, others would wait in vain.
    accuracies = part.run(kept, bar, Interrupt(), strict)
    found = []
    values = {name: accuracies[name].tolist() for name in _FOUND}
    for text in hosts.texts(json.dumps([kept.calls, values]))[:count]:
        calls, one = json.loads(text)
        for name, *arguments in calls:
            getattr(writer, name)(*arguments)
        writer.flush()
        found.append({name: np.array(one[name], np.float32) for name in _FOUND})
    return found


class _Kept(NamedTuple):
    """What a writer of metrics is asked for, to be written later."""

    calls: list[Any]

    def truncate(self, step: int) -> None:
        self.calls.append(["truncate", step])

    def write(self, step: int, *values: Any) -> None:
        self.calls.append(["write", step, *values])

    def flush(self, *, durable: bool = False) -> None:
        pass


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
        # Of a group that spans processes the leader keeps all members.
        self._keeps = hosts.leads() or not trainer.spans

    def run(
        self, writer: metrics.MetricsWriter | _Kept, bar: Any, interrupt: Interrupt, strict: bool
    ) -> dict[str, np.ndarray]:
        """Validation and test accuracy of each training."""
        size = len(self._seeds)
        members = self._trainer.create(self._genotypes, self._seeds)
        restored = self._checkpoints.restore(members, strict=strict) if self._keeps else None
        done, members = (0, members) if restored is None else (restored.step, restored.tree)
        if self._trainer.spans and (done := int(hosts.told(np.int32(done)))):
            members = hosts.told(members)
        placed = self._trainer.place(members)
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
            due = now - saved > _SAVE_SECONDS
            if self._trainer.spans:
                interrupt.agree()
                due = bool(hosts.told(np.bool_(due)))
            if epoch + 1 < self._epochs and (interrupt.requested or due):
                writer.flush(durable=True)
                whole = self._trainer.fetch(placed, size)
                if self._keeps:
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
