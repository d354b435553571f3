"""Runs a method on a task for many seeds at once, each with a ledger of its own.

``ask`` and ``tell`` are compiled once for all seeds (``jit`` of ``vmap``);
only the queries are answered one seed at a time, by the seeds' ledgers.  A
seed's search does not depend on which other seeds run beside it.
"""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pnag_jax.benchmarks import QueryLedger, Table, Task
from pnag_jax.errors import UsageError
from pnag_jax.methods import closures
from pnag_jax.methods.base import Config, Method
from pnag_jax.methods.results import SearchResult
from pnag_jax.spaces import Space

PyTree = Any


class Hooks(NamedTuple):
    """What a caller may hang onto a search.

    The tree of ``save`` and ``load`` holds the states of the method, the
    ledgers and the counters of the runner; a search that loads it goes on to
    the same result, bit for bit, as one that was never interrupted.  It holds
    NaN and -inf where nothing was measured.

    Attributes:
      save: ``(round, tree)``, called after a round with all that a rerun
        needs.  What it raises ends the search.
      load: ``(target) -> tree or None``; gets a tree of the same structure,
        shapes and dtypes as the saved ones.
      save_every: proposals between two saves.
      save_now: asked after each round; true saves at once (a signal came).
      progress: ``(done, total)`` queries of all seeds, after each round.
      anywhere: told whether a seed here still searches, before each round; true
        makes one, for seeds that other processes search in step.
    """

    save: Callable[[int, PyTree], None] | None = None
    load: Callable[[PyTree], PyTree | None] | None = None
    save_every: int = 64
    save_now: Callable[[], bool] = lambda: False
    progress: Callable[[int, int], None] | None = None
    anywhere: Callable[[bool], bool] = lambda here: here


def run(
    method: Method,
    space: Space,
    table: Table,
    task: Task,
    *,
    budget: int,
    seeds: int | Sequence[int],
    key: jax.Array,
    config: Config | None = None,
    idle_limit: int = 1024,
    hooks: Hooks | None = None,
    ledger: type[QueryLedger] = QueryLedger,
    foreign_labels: int = 0,
) -> SearchResult:
    """Searches until every seed has spent its budget.

    Args:
      method: what searches.
      space: the space of ``table``.
      table: the measurements.
      task: the metric that the method sees and the one that is reported.
      budget: queries a seed; takes the place of ``config["budget"]``.
      seeds: how many seeds, ``0 .. seeds - 1``, or which ones.
      key: of the whole search; seed ``i`` uses ``fold_in(key, i)``.
      config: fields of the method's config that differ from its defaults.
      idle_limit: a seed ends early after this many proposals in a row that
        brought no new query, as when a method has exhausted the table.
      hooks: saving, resuming and progress.
      ledger: what answers; the methods must take values of its ``value_shape``.
      foreign_labels: labels of other tasks that ``config`` rests on: told beside
        the queries.

    Returns:
      The ledgers and what follows from them.

    Raises:
      UsageError: a budget, seed or config field that is not accepted, or a
        table of another space.
    """
    hooks = hooks or Hooks()
    if table.space != space:
        raise UsageError(
            f"table {table.name} is of space {table.space_name}, the search of {space.name}"
        )
    settings = {**method.default_config(space), **dict(config.items() if config else ())}
    settings["budget"] = int(budget)
    ids = _seed_ids(seeds)
    ledgers = [ledger(table, task, settings["budget"]) for _ in ids]
    for one in ledgers:
        one.add_foreign_labels(foreign_labels)
    search = _begin(method, ledgers, ids, key, settings)
    batch = int(settings["batch"])
    if hooks.load is not None and (tree := hooks.load(search.tree())) is not None:
        search.take(tree)

    ask, tell = _compiled(method, batch)
    running = search.running(idle_limit)
    compile_seconds = _compile(ask, tell, search) if running.any() else 0.0
    saved_round = search.round
    going = hooks.anywhere(bool(running.any()))
    while going:
        search.advance(ask, tell, batch, running)
        running = search.running(idle_limit)
        going = hooks.anywhere(bool(running.any()))
        if hooks.progress is not None:
            hooks.progress(sum(ledger.used for ledger in search.ledgers), budget * len(running))
        due = (search.round - saved_round) * batch >= hooks.save_every or not going
        if hooks.save is not None and (due or hooks.save_now()):
            hooks.save(search.round, search.tree())
            saved_round = search.round

    return SearchResult(
        method=method.name,
        seeds=search.seeds,
        ledgers=tuple(search.ledgers),
        rounds=search.round,
        method_seconds=float(search.seconds[0]),
        ledger_seconds=float(search.seconds[1]),
        compile_seconds=compile_seconds,
        trace=None if method.trace is None else jax.vmap(method.trace)(search.states),
    )


@dataclasses.dataclass
class _Search:
    """A search in progress.

    Attributes:
      seeds: which ones, ``S`` of them.
      states: of the method, each leaf with a leading axis ``S``.
      ledgers: one a seed.
      round: rounds done.
      idle: int64 ``[S]``, proposals in a row that brought no new query.
      seconds: float64 ``[2]``, spent in the method and in the ledgers.
    """

    seeds: tuple[int, ...]
    states: PyTree
    ledgers: list[QueryLedger]
    round: int
    idle: np.ndarray
    seconds: np.ndarray

    def running(self, idle_limit: int) -> np.ndarray:
        """Which seeds still search: bool ``[S]``."""
        return np.array([ledger.remaining > 0 for ledger in self.ledgers]) & (
            self.idle < idle_limit
        )

    def advance(self, ask: Callable, tell: Callable, batch: int, running: np.ndarray) -> None:
        """One round of all seeds; those that do not run are told nothing but NaN."""
        start = time.perf_counter()
        proposals, states = ask(self.states)
        genotypes = np.asarray(proposals)
        asked = time.perf_counter()
        values = _unanswered(genotypes.shape[:2], self.ledgers[0])
        for i in np.flatnonzero(running):
            before = self.ledgers[i].used
            values[i] = _answers(self.ledgers[i], genotypes[i])
            self.idle[i] = 0 if self.ledgers[i].used > before else self.idle[i] + batch
        answered = time.perf_counter()
        self.states = jax.block_until_ready(tell(states, proposals, values))
        told = time.perf_counter()
        self.seconds += (asked - start + told - answered, answered - asked)
        self.round += 1

    def tree(self) -> PyTree:
        """Everything that a rerun needs, as arrays; the ledgers' along a seed axis."""
        columns = [ledger.state() for ledger in self.ledgers]
        return {
            "states": self.states,
            "ledgers": {name: np.stack([c[name] for c in columns]) for name in columns[0]},
            "clock": {
                "seeds": np.array(self.seeds, np.int64),
                "round": np.array(self.round, np.int64),
                "idle": self.idle.copy(),
                "seconds": self.seconds.copy(),
            },
        }

    def take(self, tree: PyTree) -> None:
        """Goes on from what ``tree`` returned; raises ``UsageError`` if of other seeds."""
        clock = {name: np.array(value) for name, value in tree["clock"].items()}
        if clock["seeds"].tolist() != list(self.seeds):
            raise UsageError(
                f"seeds {list(self.seeds)}: the saved search has {clock['seeds'].tolist()}"
            )
        self.states, self.round = tree["states"], int(clock["round"])
        self.idle, self.seconds = clock["idle"], clock["seconds"]
        ledgers = {name: np.asarray(column) for name, column in tree["ledgers"].items()}
        self.ledgers = [
            fresh.restore(
                fresh.table,
                fresh.task,
                fresh.budget,
                {name: column[i] for name, column in ledgers.items()},
            )
            for i, fresh in enumerate(self.ledgers)
        ]


def _begin(
    method: Method,
    ledgers: list[QueryLedger],
    seeds: tuple[int, ...],
    key: jax.Array,
    settings: dict[str, Any],
) -> _Search:
    """A search that has asked for nothing yet."""
    keys = jax.vmap(functools.partial(jax.random.fold_in, key))(jnp.asarray(seeds))
    space = ledgers[0].searchable
    states = jax.vmap(lambda key: method.init(key, space, settings))(keys)
    return _Search(seeds, states, ledgers, 0, np.zeros(len(seeds), np.int64), np.zeros(2))


def _seed_ids(seeds: int | Sequence[int]) -> tuple[int, ...]:
    ids = tuple(range(seeds)) if isinstance(seeds, int) else tuple(int(i) for i in seeds)
    if not ids or len(set(ids)) < len(ids) or min(ids) < 0 or max(ids) >= 2**31:
        raise UsageError(
            f"seeds {seeds!r}: accepted are a number of at least 1, or distinct seeds from 0 on"
        )
    return ids


@functools.cache
def _compiled(method: Method, n: int) -> tuple[Callable, Callable]:
    """``ask`` for ``n`` and ``tell``, over a leading axis of seeds."""
    ask = jax.vmap(lambda state: method.ask(state, n))
    return closures.jit(ask), jax.jit(jax.vmap(method.tell))


def _compile(ask: Callable, tell: Callable, search: _Search) -> float:
    """Seconds of a first round whose result is thrown away; both are pure."""
    start = time.perf_counter()
    proposals, states = ask(search.states)
    values = _unanswered(proposals.shape[:2], search.ledgers[0])
    jax.block_until_ready(tell(states, proposals, values))
    return time.perf_counter() - start


def _answers(ledger: QueryLedger, genotypes: np.ndarray) -> np.ndarray:
    """Values ``[n, ...]`` of as many proposals as the budget allows, NaN after them."""
    values = _unanswered((len(genotypes),), ledger)
    n = len(genotypes)
    if n > ledger.remaining:
        n = ledger.affordable(genotypes)
    values[:n] = ledger.query(genotypes[:n])
    return values


def _unanswered(shape: tuple[int, ...], ledger: QueryLedger) -> np.ndarray:
    """NaN for as many proposals."""
    return np.full((*shape, *ledger.value_shape), np.nan, np.float32)
