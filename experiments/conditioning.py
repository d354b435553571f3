"""What a prior is conditioned on: columns of a table, and sizes that need none.

Letters: ``n`` architectures, ``L`` genes, ``K`` tasks.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable

import jax
import numpy as np
from ml_collections import ConfigDict

from experiments import settings
from pnag_jax import benchmarks
from pnag_jax.benchmarks import MissingTableError, Table
from pnag_jax.benchmarks.base import judge
from pnag_jax.benchmarks.tasks import higher_is_better
from pnag_jax.errors import UsageError
from pnag_jax.spaces import Space

# What a space knows of every architecture without a table.
SIZES = ("params", "flops")
# Where the labels of a prior are from.
LABELS = ("auto", "measured", "predicted")

_RANGES: tuple[tuple[str, float, float], ...] = (
    ("prior.epochs", 1, 1_000_000),
    ("prior.batch_size", 1, 1_000_000),
    ("prior.learning_rate", 1e-12, 10),
    ("prior.weight_decay", 0, np.inf),
    ("prior.save_every_epochs", 1, 1_000_000),
    ("prior.drop_all", 0, 1),
    ("prior.drop_each", 0, 1),
    ("prior.max_shared", 0, np.inf),
    ("prior.min_new", 0, np.inf),
    ("prior.width", 1, 65536),
    ("prior.num_layers", 1, 100),
    ("prior.num_heads", 1, 65536),
    ("ask.quality", 0, 1),
    ("ask.count", 1, 1_000_000),
    ("ask.keep", 0, 1),
    ("ask.guidance", 0, 1000),
    ("ask.temperature", 1e-6, 1000),
    ("ask.top_k", 0, np.inf),
)


def asked(config: ConfigDict) -> bool:
    """Whether anything is asked for."""
    return any(config.ask[name] is not None for name in ("quality", "task", "limit"))


def wanted(config: ConfigDict) -> bool:
    """Whether a prior is."""
    return bool(config.prior.enabled) or asked(config)


def check(config: ConfigDict) -> None:
    """Refuses fields of ``config.prior`` and ``config.ask`` that no prior has.

    Raises:
      UsageError: naming the field, its value and the accepted ones.
    """
    settings.check_ranges(config, _RANGES)
    if config.prior.labels not in LABELS:
        raise UsageError(
            f"config.prior.labels = {config.prior.labels!r}; accepted are {', '.join(LABELS)}"
        )
    if config.prior.width % config.prior.num_heads:
        raise UsageError(
            f"config.prior.width = {config.prior.width}; accepted are multiples of"
            f" config.prior.num_heads = {config.prior.num_heads}"
        )


@dataclasses.dataclass(frozen=True)
class Columns:
    """What is conditioned on, by name; where the values are from.

    Attributes:
      space: of all architectures.
      table: None where none is at hand.
      quality: columns of the table, ``K`` tasks.
      hardware: columns, or names of ``SIZES``; the devices.
      missing: why there is no table.
    """

    space: Space
    table: Table | None
    quality: tuple[str, ...]
    hardware: tuple[str, ...]
    missing: str = ""

    def values(self, name: str, genotypes: np.ndarray) -> np.ndarray:
        """What a column says of architectures: ``[n, L] -> float32 [n]``, NaN where nothing.

        An architecture that the table does not have is looked up as the one
        that it is isomorphic to.
        """
        genotypes = np.asarray(genotypes)
        if name in SIZES:
            return np.asarray(_sizes(self.space, name)(genotypes), np.float32)
        assert self.table is not None
        column = self.table.column(name)
        rows = self.table.rows(genotypes)
        absent = np.flatnonzero(rows < 0)
        if len(absent):
            valid, canonical = judge(self.space, genotypes[absent])
            rows[absent] = np.where(valid, self.table.class_rows(canonical), -1)
        return np.where(rows >= 0, column[rows], np.nan).astype(np.float32)

    def stacked(self, genotypes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """All gains of quality and values of hardware: float32 ``[n, K], [n, devices]``."""
        none = np.empty((len(genotypes), 0), np.float32)
        quality = [self.gains(name, genotypes)[:, None] for name in self.quality]
        hardware = [self.values(name, genotypes)[:, None] for name in self.hardware]
        return np.hstack([none, *quality]), np.hstack([none, *hardware])

    def gains(self, name: str, genotypes: np.ndarray) -> np.ndarray:
        """The same, turned round where less is better."""
        sign = 1 if higher_is_better(name) else -1
        return sign * self.values(name, genotypes)


@functools.cache
def _sizes(space: Space, name: str) -> Callable[[np.ndarray], jax.Array]:
    return jax.jit(getattr(space, name))


def resolve(config: ConfigDict, space: Space, benchmark_dir: str | None) -> Columns:
    """The columns that a config means.

    Raises:
      UsageError: a column that the table does not have, or one twice, or a
        quality without a table.
      DataError: the table is damaged.
    """
    check(config)
    quality = settings.words(config.prior.quality)
    hardware = settings.words(config.prior.hardware)
    missing = ""
    try:
        table: Table | None = benchmarks.load(space.name, benchmark_dir)
    except MissingTableError as error:
        if quality or set(hardware) - set(SIZES):
            raise
        missing = str(error)
        table = None
    if table is not None:
        if table.space_name != space.name:
            raise UsageError(f"--benchmark_dir={benchmark_dir}: {table.source} is of another space")
        task = benchmarks.get_task(
            table,
            config.search.task or benchmarks.default_task(table),
            config.search.search_metric,
            config.search.report_metric,
        )
        quality = quality or (task.search_column,)
        hardware = hardware or (*SIZES, *_latencies(table, task.dataset))
    hardware = hardware or SIZES
    for field, names in (("quality", quality), ("hardware", hardware)):
        sizes = SIZES if field == "hardware" else ()
        accepted = (*sizes, *(table.metrics if table else ()))
        unknown = [name for name in names if name not in accepted]
        if unknown or len(set(names)) < len(names):
            raise UsageError(
                f"config.prior.{field} = {','.join(names)}; accepted are distinct ones of"
                f" {', '.join(accepted)}"
            )
    return Columns(space, table, quality, hardware, missing)


def _latencies(table: Table, dataset: str) -> tuple[str, ...]:
    """Latencies measured with the task's data set, or else those of all devices."""
    found = [name for name in table.metrics if re.search(r"(^|[/_])latency($|[/_])", name)]
    own = [name for name in found if name.startswith(f"{dataset}/")]
    return tuple(own or [name for name in found if name.startswith("latency")])
