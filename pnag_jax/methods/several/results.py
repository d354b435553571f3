"""What a search for several objectives came to: shares of the true front, fronts."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, cast

import moocore
import numpy as np

from pnag_jax.benchmarks.several import SeveralLedger, TrueFront, true_front
from pnag_jax.methods.results import BUDGETS, SearchResult, at_budgets, padded, plain, spread

# Of the true front's hypervolume: the number of queries that it takes is reported.
GOAL_SHARE = 0.99


@dataclasses.dataclass(frozen=True)
class FrontResult:
    """One method on one goal, ``S`` seeds with a budget of ``Q`` queries.

    Attributes:
      search: how it ran, with a ``SeveralLedger`` a seed.
    """

    search: SearchResult

    @property
    def ledgers(self) -> tuple[SeveralLedger, ...]:
        """One a seed."""
        return cast(tuple[SeveralLedger, ...], self.search.ledgers)

    @property
    def truth(self) -> TrueFront:
        """What the table holds at best."""
        first = self.ledgers[0]
        return true_front(first.table, first.goal)

    @functools.cached_property
    def curves(self) -> np.ndarray:
        """Share of the true front's hypervolume after each query: float64 ``[S, Q]``."""
        found = [self.truth.curve(ledger.told()) for ledger in self.ledgers]
        return np.stack([padded(curve, self.search.budget) for curve in found])

    @functools.cached_property
    def queries_to_goal(self) -> np.ndarray:
        """Queries until ``GOAL_SHARE`` is reached: ``[S]``, inf where it is not."""
        met = self.curves >= GOAL_SHARE
        return np.where(met.any(axis=1), met.argmax(axis=1) + 1.0, np.inf)

    @property
    def typical(self) -> int:
        """The seed whose last share is the median one: its position."""
        return int(np.argsort(self.curves[:, -1], kind="stable")[(len(self.curves) - 1) // 2])

    def front(self, seed: int) -> list[int]:
        """Queries of a seed whose answers no other dominates, feasible ones, by position."""
        ledger = self.ledgers[seed]
        told, count = ledger.told(), len(ledger.goal.objectives)
        met = np.flatnonzero((told[:, count:] >= 0).all(axis=1))
        values = told[met, :count].astype(np.float64)
        if not len(values):
            return []
        best = np.asarray(moocore.is_nondominated(values, maximise=True, keep_weakly=False))
        return met[best][np.argsort(values[best][:, 0])].tolist()

    def band(self) -> dict[str, list[float | None]]:
        """Mean and standard deviation over seeds after each query."""
        return {"mean": plain(self.curves.mean(0)), "std": plain(spread(self.curves))}

    def summary(self, budgets: Sequence[int] = BUDGETS) -> dict[str, Any]:
        """One row ``front.rows`` of results.json; as ``SearchResult.summary``, with shares."""
        queries = at_budgets(budgets, self.search.budget)
        curves = self.curves[:, [budget - 1 for budget in queries]]
        used = [ledger.used for ledger in self.ledgers]
        return {
            "method": self.search.method,
            "queries": queries,
            "mean": plain(curves.mean(0)),
            "std": plain(spread(curves)),
            "median": plain(np.median(curves, axis=0)),
            "lowest": plain(curves.min(0)),
            "last": plain(self.curves[:, -1]),
            "median_queries_to_goal": plain(np.median(self.queries_to_goal)),
            "spent": plain(np.mean(used)),
            "invalid": plain(np.mean([ledger.invalid for ledger in self.ledgers])),
            "unmeasured": plain(np.mean([ledger.unmeasured for ledger in self.ledgers])),
            "rounds": self.search.rounds,
            "seconds_per_seed": self.search.seconds_per_seed,
            "seconds_per_query": self.search.seconds_per_query,
            "compile_seconds": self.search.compile_seconds,
        }
