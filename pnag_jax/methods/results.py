"""What a search came to: curves, queries to the optimum, one row of results.json."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from pnag_jax.benchmarks import QueryLedger, Task, optimum, queries_to_optimum, simple_regret
from pnag_jax.generation import promise
from pnag_jax.methods.base import Trace

BUDGETS = (16, 24, 48, 96, 192, 300)
# Queries over which a surrogate is judged at a time.
_WINDOW = 16


@dataclasses.dataclass(frozen=True)
class SearchResult:
    """One method on one task, ``S`` seeds with a budget of ``Q`` queries.

    Attributes:
      method: its name.
      seeds: which ones, ``S`` of them.
      ledgers: one a seed.
      rounds: calls of ``ask`` until the last seed ended.
      method_seconds: wall time of ``ask`` and ``tell`` for all seeds together,
        compilation not included.
      ledger_seconds: the same of the look-ups.
      compile_seconds: of the first round, mostly compilation; 0 for a search
        that was complete already.
      trace: of methods that tell what they expected, ``[S, Q]`` each.
    """

    method: str
    seeds: tuple[int, ...]
    ledgers: tuple[QueryLedger, ...]
    rounds: int
    method_seconds: float
    ledger_seconds: float
    compile_seconds: float
    trace: Trace | None = None

    @property
    def task(self) -> Task:
        """What was searched for."""
        return self.ledgers[0].task

    @property
    def budget(self) -> int:
        """``Q``."""
        return self.ledgers[0].budget

    @property
    def optimum(self) -> float:
        """Best report value in the table, NaN if it has none."""
        task = self.task
        return optimum(self.ledgers[0].table, task.report_column, task.maximize_report)

    @functools.cached_property
    def curves(self) -> np.ndarray:
        """Report value of the incumbent after each query: float64 ``[S, Q]``.

        A search that ended early keeps its last value; NaN without any.
        """
        return np.stack([padded(ledger.incumbent_curve(), self.budget) for ledger in self.ledgers])

    @functools.cached_property
    def regret(self) -> np.ndarray:
        """Distance of ``curves`` from the optimum: float64 ``[S, Q]``, >= 0."""
        return np.stack([padded(simple_regret(ledger), self.budget) for ledger in self.ledgers])

    @functools.cached_property
    def search_curves(self) -> np.ndarray:
        """Search value of the incumbent after each query: float64 ``[S, Q]``.

        Free of the noise between the two metrics, which may be all that the
        report values of good methods differ by.
        """
        better = np.maximum if self.task.maximize else np.minimum
        values = [np.array([entry.value for entry in ledger.entries]) for ledger in self.ledgers]
        return np.stack([padded(better.accumulate(v), self.budget) for v in values])

    @property
    def used(self) -> np.ndarray:
        """Queries made: int64 ``[S]``."""
        return np.array([ledger.used for ledger in self.ledgers])

    @property
    def invalid(self) -> np.ndarray:
        """Invalid proposals: int64 ``[S]``."""
        return np.array([ledger.invalid for ledger in self.ledgers])

    @functools.cached_property
    def incumbents(self) -> list[dict[str, Any] | None]:
        """Of each seed the best by search value (the first of several that tie).

        Dicts of ``genotype``, ``search_value`` and ``report_value``; None for
        a seed that measured nothing.
        """
        return [next(iter(ledger.best(1)), None) for ledger in self.ledgers]

    @functools.cached_property
    def queries_to_optimum(self) -> np.ndarray:
        """Number of the query that met the best report value: ``[S]``, inf if none."""
        return np.array([_first_meeting(ledger, self.optimum) for ledger in self.ledgers])

    @functools.cached_property
    def queries_to_best_search(self) -> np.ndarray:
        """The same for the table's best search value, where every search must end."""
        return np.array([queries_to_optimum(ledger) for ledger in self.ledgers])

    @property
    def seconds_per_seed(self) -> float:
        """Of the method itself; the seeds run side by side."""
        return self.method_seconds / len(self.seeds)

    @property
    def seconds_per_query(self) -> float:
        """Of the method itself, one query of one seed."""
        return self.method_seconds / max(int(self.used.sum()), 1)

    def band(self) -> dict[str, list[float | None]]:
        """Mean and standard deviation over seeds after each query, ``Q`` of each."""
        return {"mean": plain(self.curves.mean(0)), "std": plain(spread(self.curves))}

    def guidance(self) -> dict[str, Any] | None:
        """How good the surrogate was and how far it was followed, through the search.

        Returns:
          Lists along ``queries``, means over seeds: ``rank_correlation`` of what
          was expected of the last ``_WINDOW`` guided queries and of what they
          measured, and their mean ``steering``, see ``base.Trace``; None for
          methods that do not tell.
        """
        if self.trace is None:
            return None
        expected, steered = (np.asarray(column) for column in self.trace)
        sign = 1 if self.task.maximize else -1
        values = np.full_like(expected, np.nan)
        for row, ledger in zip(values, self.ledgers, strict=True):
            row[: ledger.used] = [sign * entry.value for entry in ledger.entries]
        expected = np.where(np.isnan(values), np.nan, expected)

        def window(column: np.ndarray, end: int) -> np.ndarray:
            return column[max(end - _WINDOW, 0) : end]

        queries, correlations, steering = [], [], []
        for end in range(_WINDOW, self.budget + 1, _WINDOW // 2):
            pairs = zip(expected, values, strict=True)
            found = [promise.spearman(window(e, end), window(v, end)) for e, v in pairs]
            queries.append(end)
            correlations.append(_mean(np.array(found)))
            steering.append(_mean(np.stack([window(row, end) for row in steered])))
        return {"queries": queries, "rank_correlation": correlations, "steering": steering}

    def summary(self, budgets: Sequence[int] = BUDGETS) -> dict[str, Any]:
        """One row ``search`` of results.json.

        Args:
          budgets: numbers of queries to report; those beyond the search's own
            are left out, and its own is added.

        Returns:
          Plain numbers, strings and lists.  ``std`` is of the sample.
          ``regret`` is the mean distance from ``optimum``.  ``spent``,
          ``invalid``, ``unmeasured`` and ``foreign_labels`` are means a seed.
          A median that most seeds never reached is None, for infinite.
        """
        queries = at_budgets(budgets, self.budget)
        at = [b - 1 for b in queries]
        curves = self.curves[:, at]
        return {
            "task": self.task.name,
            "method": self.method,
            "search_metric": self.task.search_metric,
            "report_metric": self.task.report_metric,
            "budget": self.budget,
            "seeds": len(self.seeds),
            "queries": queries,
            "mean": plain(curves.mean(0)),
            "std": plain(spread(curves)),
            "median": plain(np.median(curves, axis=0)),
            "search_mean": plain(self.search_curves[:, at].mean(0)),
            "optimum": plain(self.optimum),
            "regret": plain(self.regret[:, at].mean(0)),
            "median_queries_to_optimum": plain(np.median(self.queries_to_optimum)),
            "median_queries_to_best_search": plain(np.median(self.queries_to_best_search)),
            "spent": plain(self.used.mean()),
            "invalid": plain(self.invalid.mean()),
            "unmeasured": plain(np.mean([ledger.unmeasured for ledger in self.ledgers])),
            "foreign_labels": plain(np.mean([ledger.foreign_labels for ledger in self.ledgers])),
            "guidance": self.guidance(),
            "rounds": self.rounds,
            "seconds_per_seed": self.seconds_per_seed,
            "seconds_per_query": self.seconds_per_query,
            "compile_seconds": self.compile_seconds,
        }


def _mean(values: np.ndarray) -> float | None:
    """Of what is known; None if nothing is."""
    known = values[~np.isnan(values)]
    return plain(known.mean()) if len(known) else None


def at_budgets(budgets: Sequence[int], budget: int) -> list[int]:
    """Numbers of queries to report of a search: those within its own budget, and that."""
    return sorted({b for b in budgets if b < budget} | {budget})


def padded(curve: np.ndarray, length: int) -> np.ndarray:
    """A curve of a search that ended early, its last value kept: ``[length]``."""
    last = curve[-1] if len(curve) else np.nan
    return np.concatenate([curve, np.full(length - len(curve), last)])


def spread(curves: np.ndarray) -> np.ndarray:
    """Of the sample over the first axis; 0 for a single seed."""
    return curves.std(0, ddof=min(1, len(curves) - 1))


def _first_meeting(ledger: QueryLedger, report_optimum: float) -> float:
    """Number of the first query of an architecture with that report value."""
    met = np.flatnonzero(ledger.report_values() == report_optimum)
    return float(met[0] + 1) if len(met) else np.inf


def plain(value: Any) -> Any:
    """Python floats for JSON, None for what is not finite; arrays become lists."""
    if isinstance(value, np.ndarray) and value.ndim:
        return [plain(item) for item in value]
    number = float(value)
    return number if math.isfinite(number) else None
