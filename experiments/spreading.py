"""One search by several processes: each has seeds of its own, saved as those of one.

A seed's search does not depend on which others run beside it.  The processes go
round by round together, so that what is saved after a round is what one process
would save: any number of processes resumes it.

Letters of shapes: ``S`` seeds, ``s`` of them of a process.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.phases import Phase
from pnag_jax.benchmarks import Table, Task
from pnag_jax.benchmarks.objectives import Goal
from pnag_jax.methods.search import Hooks
from pnag_jax.training import hosts

PyTree = Any


def agreed(phase: Phase | None, table: Table | None, task: Task | Goal | None) -> bool:
    """Whether all processes can do a search that is to be done; all call this alike.

    Args:
      phase: of the search, None where none is wanted; the leader knows its result.
      table: of this process, which may have none.
      task: of it.
    """
    if hosts.count() == 1:
        return False
    mine = ""
    if table is not None and task is not None:
        mine = f"{table.name} {task.name} {hashlib.sha256(table.genotypes.tobytes()).hexdigest()}"
    about = hosts.texts(mine)
    due = bool(hosts.told(np.bool_(phase is not None and phase.result is None)))
    return due and bool(mine) and len(set(about)) == 1


class Spread:
    """The part of one process, and all that the processes know together.

    Attributes:
      seeds: of this process, ``s`` of ``0 .. S - 1``; where there are fewer seeds
        than processes, those that are left search the last one again, for nothing.
      whole: what was saved or loaded last, of all seeds.
    """

    def __init__(self, seeds: int):
        """For a search of ``S`` seeds; all processes call this and the hooks alike."""
        blocks = np.array_split(np.arange(seeds), hosts.count())
        self._total, self._sizes = seeds, [len(block) for block in blocks]
        self.seeds = blocks[hosts.index()].tolist() or [seeds - 1]
        self.whole: PyTree | None = None

    def hooks(self, hooks: Hooks) -> Hooks:
        """Those of one process for the search of a part; ``save`` is called on all."""
        assert hooks.save is not None and hooks.load is not None
        save, load = hooks.save, hooks.load
        return hooks._replace(
            save=lambda number, tree: save(number, self._join(tree)),
            load=lambda target: self._part(load, target),
            anywhere=lambda here: hosts.highest(int(here)) > 0,
        )

    def _join(self, tree: PyTree) -> PyTree:
        """The parts of all processes as the tree of one search."""
        most = max(self._sizes)
        padded = _seedwise(lambda x: x[np.minimum(np.arange(most), len(x) - 1)], tree)
        parts = [
            _seedwise(lambda x, size=size: x[:size], part)
            for part, size in zip(hosts.gathered(padded), self._sizes, strict=True)
            if size
        ]
        self.whole = _seedwise(_concatenated, *parts)
        seconds = [part["clock"]["seconds"] for part in parts]
        self.whole["clock"]["seconds"] = np.sum(seconds, axis=0)
        return self.whole

    def _part(self, load: Callable[[PyTree], PyTree | None], target: PyTree) -> PyTree | None:
        """This process's part of what the leader loads."""
        everyone = np.arange(self._total)
        tree = _seedwise(lambda x: x[everyone % len(x)], target)
        found = load(tree) if hosts.leads() else None
        if not bool(hosts.told(np.bool_(found is not None))):
            return None
        self.whole = hosts.told(tree if found is None else found)
        part = _seedwise(lambda x: x[np.array(self.seeds)], self.whole)
        if not hosts.leads():  # what is joined later is a sum
            part["clock"]["seconds"] = np.zeros_like(part["clock"]["seconds"])
        return part


def _seedwise(function: Callable[..., Any], tree: PyTree, *more: PyTree) -> PyTree:
    """``function`` of the leaves that have a leading axis of seeds; others as in ``tree``."""
    one, *others = ({**each, "clock": dict(each["clock"])} for each in (tree, *more))
    clocks = [each.pop("clock") for each in (one, *others)]
    found = jax.tree.map(function, one, *others)
    found["clock"] = clocks[0] | {
        name: function(*(clock[name] for clock in clocks)) for name in ("seeds", "idle")
    }
    return found


def _concatenated(*parts: Any) -> Any:
    return jnp.concatenate(parts) if hosts.is_key(parts[0]) else np.concatenate(parts)
