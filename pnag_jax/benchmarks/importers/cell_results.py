"""What one NAS-Bench-201 cell's record says; two layouts share it.

A record has, for the schedules of 12 and of 200 epochs, one result a data set
and seed.  ``cifar10-valid`` is CIFAR-10 trained on half of its training images
and validated on the other half; ``cifar10`` is trained on all of them and has
no validation of its own.  As in the benchmark's own interface, validation on
CIFAR-10 is that of ``cifar10-valid``, so that column stands under both names.

Dong and Yang, "NAS-Bench-201", ICLR 2020; Dong et al., "NATS-Bench", TPAMI 2021.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pnag_jax import spaces
from pnag_jax.benchmarks.importers.base import Rows, genotype, mean, member, number
from pnag_jax.errors import DataError

# Suffix of a column's name: 200 epochs have none.
SUFFIXES = {"12": "_12ep", "200": ""}
# Data set of a column, and where its measurement stands: data set, image set.
_ACCURACIES = {
    ("cifar10", "valid"): ("cifar10-valid", "x-valid"),
    ("cifar10", "test"): ("cifar10", "ori-test"),
    ("cifar100", "valid"): ("cifar100", "x-valid"),
    ("cifar100", "test"): ("cifar100", "x-test"),
    ("ImageNet16-120", "valid"): ("ImageNet16-120", "x-valid"),
    ("ImageNet16-120", "test"): ("ImageNet16-120", "x-test"),
    ("cifar10-valid", "valid"): ("cifar10-valid", "x-valid"),
    ("cifar10-valid", "test"): ("cifar10-valid", "ori-test"),
}
_DATASETS = tuple(dict.fromkeys(dataset for dataset, _ in _ACCURACIES))

META = {
    "ops": list(spaces.nb201.OPS),
    "units": "accuracy percent; params count; flops MACs; latency_ms of a batch of 256 images "
    "on one GTX 1080 Ti; seeds: how many trainings the means are of",
    "notes": "*_12ep: the 12-epoch schedule, otherwise 200 epochs, each after its last epoch; "
    "test_accuracy_one_seed: the lowest seed's. cifar10-valid is trained on half of CIFAR-10's "
    "training images; cifar10/valid_* is measured there, as the benchmark's own interface does",
}


def add(rows: Rows, record: Mapping[str, Any], what: str) -> None:
    """Appends one cell.

    Args:
      rows: of space ``nb201``.
      record: by schedule, ``"12"`` and ``"200"``, the state that the benchmark
        saved (``arch_str``, ``dataset_seed``, ``all_results``).
      what: the file and the cell, for messages.

    Raises:
      DataError: the record is not of this form.
    """
    texts = {member(state, "arch_str", what, str) for state in record.values()}
    if len(texts) != 1:
        raise DataError(f"{what}: has {len(texts)} architectures; expected one")
    values: dict[str, float] = {}
    for schedule, state in record.items():
        values |= dict(_measurements(state, SUFFIXES[schedule], f"{what}: {schedule} epochs"))
    rows.add(genotype(spaces.get("nb201"), texts.pop(), what), values)


def _measurements(state: Any, suffix: str, what: str) -> Iterator[tuple[str, float]]:
    seeds = member(state, "dataset_seed", what)
    results = member(state, "all_results", what)
    trained = {
        dataset: [member(results, (dataset, seed), what) for seed in sorted(seeds[dataset])]
        for dataset in _DATASETS
        if dataset in seeds
    }
    for (dataset, name), (source, images) in _ACCURACIES.items():
        found = [_last(result, images, what) for result in trained.get(source, [])]
        accuracies = [value for value in found if value is not None]
        if accuracies:
            yield f"{dataset}/{name}_accuracy{suffix}", mean(accuracies)
            if name == "test":
                yield f"{dataset}/test_accuracy_one_seed{suffix}", accuracies[0]
    for dataset, runs in trained.items():
        yield f"{dataset}/seeds{suffix}", len(runs)
        if suffix:
            continue
        for name, field in (("params", "params"), ("flops", "flop")):
            millions = [number(run.get(field), f"{what}: {dataset}: {field}", 0) for run in runs]
            yield f"{dataset}/{name}", 1e6 * mean(millions)
        seconds = [mean(run["latency"]) for run in runs if run.get("latency")]
        if measured := [value for value in seconds if number(value, f"{what}: latency") > 0]:
            yield f"{dataset}/latency_ms", 1e3 * mean(measured)


def _last(result: Any, images: str, what: str) -> float | None:
    """Accuracy in percent after the last epoch; None where it was not measured."""
    epochs = member(result, "epochs", what, int)
    accuracies = member(result, "eval_acc1es", what)
    key = f"{images}@{epochs - 1}"
    if key not in accuracies:
        return None
    return number(accuracies[key], f"{what}: {key}", 0, 100)


def check_complete(rows: Rows, meta: Any, what: str) -> None:
    """Refuses a table of fewer or more cells than the benchmark's own list."""
    expected = member(meta, "meta_archs", what, list)
    if len(rows) != len(expected):
        raise DataError(f"{what}: has results of {len(rows)} cells and lists {len(expected)}")
