"""Real tables that come with packages: two from PyPI, and our own (``bundled``).

The data files of the two are pickles.  They are found through the installed package's
metadata and read by ``safe_pickle``; the packages themselves are never
imported.

* ``nb201:analog``: analog-nasbench 0.1.3, all 15,625 NAS-Bench-201 cells with
  a digital CIFAR-10 training of their own and the accuracies of the same cells
  quantized, under noise, and on simulated analog hardware as it drifts.  The
  wheel states no licence: the numbers are read from it and not copied.
* ``gnn``: nas-bench-graph 1.4.0 (Apache-2.0), 26,206 graph neural networks on
  eight data sets, and 2,021 of them on a ninth.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import pathlib
from collections.abc import Callable, Iterator

import numpy as np

from pnag_jax.benchmarks import bundled, safe_pickle
from pnag_jax.benchmarks.base import Table
from pnag_jax.errors import DataError, UsageError


class MissingTableError(UsageError):
    """A table that exists but is not at hand; the message says how to get it."""


def load(name: str) -> Table:
    """The table of that name, one of ``TABLES``; parsed once a process.

    Raises:
      MissingTableError: the package is not installed.
      DataError: its data file is damaged.
    """
    return TABLES[name]()


# -- analog-nasbench ---------------------------------------------------------

# Values of its operations 0 .. 4 (skip, none, conv3x3, conv1x1, avg_pool) and
# order of its edges (0,1), (0,2), (0,3), (1,2), (1,3), (2,3) in ours.
_ANALOG_OPS = np.array([1, 0, 3, 2, 4], np.int16)
_ANALOG_EDGES = np.array([0, 1, 3, 2, 4, 5])

_ANALOG_METRICS = {
    "test_accuracy": "baseline_accuracy",
    "ptq_accuracy": "ptq_accuracy",
    "qat_accuracy": "qat_accuracy",
    "noisy_accuracy": "noisy_accuracy",
    "analog_accuracy": "analog_accuracy",
}
# Accuracy on the analog chip some seconds after it was programmed (a minute,
# an hour, a day, a month), of the digitally and of the analog-trained network.
_DRIFT_METRICS = {
    f"{network}_drift_{seconds}s": f"{network}_drift_{seconds}"
    for network in ("baseline", "analog")
    for seconds in (60, 3600, 86400, 2592000)
}


@functools.lru_cache(maxsize=1)
def _analog() -> Table:
    path, version = _locate("analog-nasbench==0.1.3", "analognasbench/data.anb")
    allowed = {
        ("analognasbench.data", "Architecture"): safe_pickle.Inert,
        ("analognasbench.data", "DriftMeasurement"): safe_pickle.Inert,
    }
    cells = safe_pickle.load(path, allowed)
    with _naming(path):
        theirs = np.array(list(cells), np.int16)
        states = [cell.state for cell in cells.values()]
        columns = {
            f"cifar10/{name}": np.array([state[field] for state in states], np.float32)
            for name, field in _ANALOG_METRICS.items()
        }
        for name, field in _DRIFT_METRICS.items():
            drifts = [state[field].state for state in states]
            for suffix, part in (("", "value"), ("_std", "uncertainty")):
                columns[f"cifar10/{name}{suffix}"] = np.array(
                    [drift[part] for drift in drifts], np.float32
                )
        if theirs.shape != (15625, 6) or theirs.min() < 0 or theirs.max() > 4:
            raise ValueError(f"{len(theirs)} cells; expected 15,625 of six operations 0 .. 4")
    return Table(
        name="nb201:analog",
        space_name="nb201",
        genotypes=_ANALOG_OPS[theirs[:, _ANALOG_EDGES]],
        metrics=tuple(columns),
        meta={
            "units": "accuracy percent; _std is the uncertainty that the package gives",
            "source": f"analog-nasbench {version}",
            "licence": "none stated by the wheel",
            "notes": "test_accuracy: the package's baseline, one digital training; ptq, qat: "
            "quantized after and during training; noisy: digital, under analog noise; analog: "
            "trained for analog hardware; _drift_Ns: accuracy N seconds after programming",
        },
        source=f"package analog-nasbench {version} (15,625 cells; CIFAR-10, digital and analog)",
        read_column=columns.__getitem__,
    )


# -- nas-bench-graph ---------------------------------------------------------

_GNN_DATASETS = (
    "cora", "citeseer", "pubmed", "cs", "physics", "photo", "computers", "arxiv", "proteins"
)  # fmt: skip
# Our name, theirs, and the factor from their unit to ours.
_GNN_METRICS = {
    "valid_accuracy": ("valid_perf", 100.0),
    "test_accuracy": ("perf", 100.0),
    "latency": ("latency", 1.0),
    "params": ("para", 1e6),
}
_GNN_ROWS = 26206


@functools.lru_cache(maxsize=1)
def _gnn() -> Table:
    keys, _ = _gnn_file(_GNN_DATASETS[0])
    _, version = _gnn_path(_GNN_DATASETS[0])
    order = np.argsort(keys)
    keys = keys[order]

    def read_column(metric: str) -> np.ndarray:
        dataset, name = metric.split("/")
        measured, columns = _gnn_file(dataset)
        rows = np.minimum(np.searchsorted(keys, measured), len(keys) - 1)
        if (keys[rows] != measured).any():
            path, _ = _gnn_path(dataset)
            raise DataError(f"{path}: has architectures that are not in {_GNN_DATASETS[0]}.bench")
        values = np.full(len(keys), np.nan, np.float32)
        values[rows] = columns[name]
        return values

    return Table(
        name="gnn",
        space_name="gnn",
        genotypes=_decimal_digits(keys),
        metrics=tuple(f"{d}/{m}" for d in _GNN_DATASETS for m in _GNN_METRICS),
        meta={
            "units": "accuracy percent (on proteins the data set's own score, times 100); "
            "latency as the package gives it (no unit stated); params count",
            "source": f"nas-bench-graph {version}",
            "licence": "Apache-2.0",
            "notes": "mean of three seeds; proteins: 2,021 architectures of the operations gcn, "
            "sage, arma, fc, skip, NaN elsewhere",
        },
        source=f"package nas-bench-graph {version} (26,206 graph networks; 9 data sets)",
        read_column=read_column,
    )


def _gnn_path(dataset: str) -> tuple[pathlib.Path, str]:
    return _locate("nas-bench-graph==1.4.0", f"nas_bench_graph/light/{dataset}.bench")


@functools.cache
def _gnn_file(dataset: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Keys int64 ``[m]`` and measurements float32 ``[m]`` of one data set."""
    path, _ = _gnn_path(dataset)
    bench = safe_pickle.load(path, safe_pickle.NUMPY_SCALARS)
    with _naming(path):
        keys = np.array(list(bench), np.int64)
        digits = _decimal_digits(keys)
        if dataset != "proteins" and len(keys) != _GNN_ROWS:
            raise ValueError(f"{len(keys)} architectures; expected {_GNN_ROWS}")
        if keys.min() < 0 or keys.max() > 88888 or digits.max() > 8:
            raise ValueError("a key is not a link index and four operations, each 0 .. 8")
        columns = {
            name: np.array([row[field] * factor for row in bench.values()], np.float32)
            for name, (field, factor) in _GNN_METRICS.items()
        }
    return keys, columns


def _decimal_digits(keys: np.ndarray) -> np.ndarray:
    """Link index and four operations of each key: int16 ``[m, 5]``."""
    return (keys[:, None] // 10 ** np.arange(4, -1, -1) % 10).astype(np.int16)


# -- both --------------------------------------------------------------------


def _locate(requirement: str, file: str) -> tuple[pathlib.Path, str]:
    """A file of an installed package and the package's version; imports nothing."""
    package = requirement.split("==")[0]
    try:
        distribution = importlib.metadata.distribution(package)
    except importlib.metadata.PackageNotFoundError:
        raise MissingTableError(
            f"the package {package} is not installed; pip install {requirement}"
        ) from None
    path = pathlib.Path(str(distribution.locate_file(file)))
    if not path.is_file():
        raise MissingTableError(
            f"{path} of the package {package} {distribution.version} is missing; "
            f"pip install --force-reinstall {requirement}"
        )
    return path, distribution.version


@contextlib.contextmanager
def _naming(path: pathlib.Path) -> Iterator[None]:
    """Turns whatever fails inside into a ``DataError`` that names the file."""
    try:
        yield
    # The pickle's content may be of any type and shape.
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise DataError(f"{path}: does not hold the expected data: {reason}") from error


TABLES: dict[str, Callable[[], Table]] = {
    "gnn": _gnn,
    "nb201:analog": _analog,
    "nb201:digits": bundled.digits,
}
