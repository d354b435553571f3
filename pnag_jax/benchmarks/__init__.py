"""Benchmark tables: real measurements, and the ledger that stands before them.

Tables come from a folder of ``.npz`` files or from two packages of PyPI.  A
task names the metric that methods see and the one that is reported.  Methods
reach measurements through a ``QueryLedger`` only.
"""

from pnag_jax.benchmarks.base import Table
from pnag_jax.benchmarks.coverage import searchable
from pnag_jax.benchmarks.ledger import BudgetError, Entry, QueryLedger
from pnag_jax.benchmarks.loading import load, names
from pnag_jax.benchmarks.optimum import optimum, queryable
from pnag_jax.benchmarks.outcomes import (
    median_queries_to_optimum,
    queries_to_optimum,
    simple_regret,
)
from pnag_jax.benchmarks.packages import MissingTableError
from pnag_jax.benchmarks.tables import read_table, save_table
from pnag_jax.benchmarks.tasks import Task, default_task, get_task, higher_is_better, tasks

__all__ = [
    "BudgetError",
    "Entry",
    "MissingTableError",
    "QueryLedger",
    "Table",
    "Task",
    "default_task",
    "get_task",
    "higher_is_better",
    "load",
    "median_queries_to_optimum",
    "names",
    "optimum",
    "queries_to_optimum",
    "queryable",
    "read_table",
    "save_table",
    "searchable",
    "simple_regret",
    "tasks",
]
