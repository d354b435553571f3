"""Which measurement a search sees, and which one is reported.

A task is written ``<dataset>@<protocol>``.  A protocol is, in this order,

1. a named pair of the table's own (``_PROTOCOLS``), e.g. ``cifar10@12ep``;
2. ``valid``, where the data set has a ``valid*`` and a ``test*`` metric and no
   named pair: search on the first, report the second;
3. any metric of the data set, searched on and reported.

``<dataset>`` alone means its first protocol.
"""

from __future__ import annotations

import dataclasses
import re

from pnag_jax.benchmarks.base import Table
from pnag_jax.errors import UsageError

# By table, else by space: protocol, search metric, report metric.
_PROTOCOLS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "nb201": (
        ("12ep", "valid_accuracy_12ep", "test_accuracy"),
        ("200ep", "test_accuracy_one_seed", "test_accuracy"),
    ),
    "nb201:analog": (
        ("digital", "test_accuracy", "test_accuracy"),
        ("ptq", "ptq_accuracy", "ptq_accuracy"),
        ("qat", "qat_accuracy", "qat_accuracy"),
        ("noisy", "noisy_accuracy", "noisy_accuracy"),
        ("analog", "analog_accuracy", "analog_accuracy"),
    ),
    "nb201:digits": (
        ("one_seed", "valid_accuracy_seed0", "test_accuracy"),
        ("mean", "valid_accuracy", "test_accuracy"),
    ),
    "macro": (
        ("seed0", "test_accuracy_seed0", "test_accuracy"),
        ("mean", "test_accuracy", "test_accuracy"),
    ),
}

# Costs: words of a column's name that mean "the less the better".
_COSTS = re.compile(
    r"(^|[/_])(latency|params|flops|macs|time|seconds|energy|power|memory|error|loss|perplexity|std)"
    r"($|[/_])"
)
# Words that mean "the more the better", and nothing about what is computed.
_SPEEDS = re.compile(r"(^|[/_])(throughput|fps)($|[/_])")


@dataclasses.dataclass(frozen=True)
class Task:
    """A pair of metrics on one data set.

    Attributes:
      name: ``<dataset>@<protocol>``.
      dataset: the data set.
      search_metric: what methods see; a metric of ``dataset``, or the full
        name ``<dataset>/<metric>`` of another one's.
      report_metric: what is reported; as ``search_metric``.
    """

    name: str
    dataset: str
    search_metric: str
    report_metric: str

    @property
    def search_column(self) -> str:
        """Full name of the search metric."""
        return full_name(self.dataset, self.search_metric)

    @property
    def report_column(self) -> str:
        """Full name of the report metric."""
        return full_name(self.dataset, self.report_metric)

    @property
    def maximize(self) -> bool:
        """Whether a higher search metric is better."""
        return higher_is_better(self.search_column)

    @property
    def wants_quality(self) -> bool:
        """Whether the search metric says how well architectures do what they are for."""
        return tells_quality(self.search_column)

    @property
    def maximize_report(self) -> bool:
        """Whether a higher report metric is better."""
        return higher_is_better(self.report_column)


def higher_is_better(column: str) -> bool:
    """Direction of a column, told from its name: costs are minimized.

    >>> higher_is_better("cifar10/test_accuracy"), higher_is_better("latency_ms/pixel3")
    (True, False)
    """
    return not _COSTS.search(column)


def tells_quality(column: str) -> bool:
    """Whether a column says how well architectures do what they are for; from its name.

    >>> tells_quality("cifar10/test_accuracy"), tells_quality("imagenet/tpu_v3_throughput")
    (True, False)
    """
    return higher_is_better(column) and not _SPEEDS.search(column)


def get_task(
    table: Table,
    name: str,
    search_metric: str | None = None,
    report_metric: str | None = None,
) -> Task:
    """The task of that name.

    Args:
      table: the table that must have both metrics.
      name: ``<dataset>@<protocol>``, or a data set alone.
      search_metric: replaces the protocol's.  A metric of the data set or a
        full name ``<dataset>/<metric>``.
      report_metric: the same for the metric that is reported.

    Returns:
      The task; where a metric was replaced its name is
      ``<dataset>@<search_metric>:<report_metric>``, which is a task's name too.

    Raises:
      UsageError: unknown data set, protocol or metric; the message lists the
        accepted ones.
    """
    dataset, at, protocol = name.partition("@")
    if dataset not in table.datasets:
        raise UsageError(
            f"task {name!r}: table {table.name} has no data set {dataset!r}; accepted are "
            + ", ".join(table.datasets)
        )
    pairs = _pairs(table, dataset)
    if ":" in protocol:
        search, _, report = protocol.partition(":")
    else:
        protocol = protocol if at else next(iter(pairs))
        if protocol not in pairs:
            raise UsageError(
                f"task {name!r}: {dataset} has no protocol or metric {protocol!r}; accepted are "
                + ", ".join(pairs)
            )
        search, report = pairs[protocol]
    chosen = (search_metric or search, report_metric or report)
    for flag, metric in zip(("search_metric", "report_metric"), chosen, strict=True):
        if full_name(dataset, metric) not in table.metrics:
            raise UsageError(
                f"{flag} {metric!r}: {dataset} has no such metric; accepted are "
                + ", ".join(metrics_of(table, dataset))
                + ", or one of another data set as <dataset>/<metric>"
            )
    if pairs.get(protocol) != chosen:
        protocol = ":".join(chosen)
    return Task(f"{dataset}@{protocol}", dataset, *chosen)


def tasks(table: Table) -> tuple[str, ...]:
    """All tasks of a table, the first of each data set being its default."""
    return tuple(f"{d}@{protocol}" for d in table.datasets for protocol in _pairs(table, d))


def default_task(table: Table) -> str:
    """The first task that searches for something better than a low cost."""
    first = [f"{dataset}@{next(iter(_pairs(table, dataset)))}" for dataset in table.datasets]
    return next((name for name in first if get_task(table, name).maximize), first[0])


def _pairs(table: Table, dataset: str) -> dict[str, tuple[str, str]]:
    """Protocols of a data set, in the order of the module's docstring."""
    metrics = metrics_of(table, dataset)
    named = _PROTOCOLS.get(table.name, _PROTOCOLS.get(table.space_name, ()))
    pairs = {
        protocol: (search, report)
        for protocol, search, report in named
        if search in metrics and report in metrics
    }
    if not pairs:
        pairs = _natural_pair(metrics)
    # Metrics of quality before costs: the first protocol is the default.
    for metric in sorted(metrics, key=lambda m: not higher_is_better(f"{dataset}/{m}")):
        pairs.setdefault(metric, (metric, metric))
    return pairs


def _natural_pair(metrics: tuple[str, ...]) -> dict[str, tuple[str, str]]:
    """``valid`` for the first ``valid*`` metric and the ``test*`` that fits it best."""
    valid = [metric for metric in metrics if metric.startswith("valid")]
    test = [metric for metric in metrics if metric.startswith("test")]
    if not valid or not test:
        return {}
    twin = valid[0].replace("valid", "test", 1)
    return {"valid": (valid[0], twin if twin in test else test[0])}


def metrics_of(table: Table, dataset: str) -> tuple[str, ...]:
    """Metrics of a data set, without its name."""
    prefix = f"{dataset}/"
    return tuple(m.removeprefix(prefix) for m in table.metrics if m.startswith(prefix))


def full_name(dataset: str, metric: str) -> str:
    """``<dataset>/<metric>``; a full name stays what it is."""
    return metric if "/" in metric else f"{dataset}/{metric}"
