"""How far runs came, measured against the table's optimum."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pnag_jax.benchmarks.ledger import QueryLedger
from pnag_jax.benchmarks.optimum import optimum


def queries_to_optimum(ledger: QueryLedger) -> float:
    """Number of the query that first met the table's best search value; inf if none."""
    target = optimum(ledger.table, ledger.task.search_column, ledger.task.maximize)
    hits = (entry.order for entry in ledger.entries if entry.value == target)
    return float(next(hits, np.inf))


def median_queries_to_optimum(ledgers: Sequence[QueryLedger]) -> float:
    """Median of ``queries_to_optimum`` over runs; inf when most never met it."""
    return float(np.median([queries_to_optimum(ledger) for ledger in ledgers]))


def simple_regret(ledger: QueryLedger) -> np.ndarray:
    """Distance of ``incumbent_curve`` to the best report value: float64 ``[used]``, >= 0."""
    task = ledger.task
    best = optimum(ledger.table, task.report_column, task.maximize_report)
    return np.abs(best - ledger.incumbent_curve())
