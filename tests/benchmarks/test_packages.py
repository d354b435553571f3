from __future__ import annotations

import importlib.metadata
import pathlib
import pickle
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

from pnag_jax.benchmarks import MissingTableError, load, packages
from pnag_jax.errors import DataError


@pytest.fixture
def fresh():
    """Nothing parsed before, nor kept afterwards."""
    caches = (packages._analog, packages._gnn, packages._gnn_file)
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


@pytest.fixture
def relocated(fresh, monkeypatch, tmp_path):
    """Data files are looked for in an empty folder."""
    monkeypatch.setattr(
        packages, "_locate", lambda requirement, file: (tmp_path / pathlib.Path(file).name, "0")
    )
    return tmp_path


def test_analog_table_is_nas_bench_201(benchmark_dir):
    """Ranks as the benchmark's own accuracies do: the encoding is converted rightly."""
    analog = load("nb201:analog")
    official = load("nb201", benchmark_dir)
    rows = analog.rows(official.genotypes)
    np.testing.assert_array_equal(np.sort(rows), np.arange(15625))
    ours = analog.column("cifar10/test_accuracy")[rows]
    theirs = official.column("cifar10/test_accuracy")
    ranks = [np.argsort(np.argsort(values)) for values in (ours, theirs)]
    assert np.corrcoef(ranks)[0, 1] > 0.99


def test_analog_values():
    table = load("nb201:analog")
    assert table.space_name == "nb201"
    # All operations 0 there, which is skip: the first cell of the file.
    row = table.rows(np.full(6, 1))
    assert table.column("cifar10/test_accuracy")[row] == np.float32(60.7836)
    assert table.column("cifar10/qat_accuracy")[row] == np.float32(37.5616)
    assert table.column("cifar10/baseline_drift_60s")[row] == 10
    # Edges (0,2), (0,3), (1,2) stand in another order there.
    theirs = np.array([2, 3, 4, 1, 0, 2])  # conv3x3, conv1x1, avg_pool, none, skip, conv3x3
    ours = packages._ANALOG_OPS[theirs[packages._ANALOG_EDGES]]
    assert ours.tolist() == [3, 2, 0, 4, 1, 3]


@pytest.mark.parametrize("name", ["nb201:analog", "gnn"])
def test_package_tables_are_whole(name):
    table = load(name)
    assert table.looked_up.all()
    for metric in table.metrics:
        values = table.column(metric)
        assert values.shape == (len(table.genotypes),) and values.dtype == np.float32
        missing = 24185 if metric.startswith("proteins/") else 0
        assert np.isnan(values).sum() == missing, metric
        if "accuracy" in metric:
            assert np.nanmin(values) > 0 and np.nanmax(values) < 100


@pytest.mark.parametrize("name", ["nb201:analog", "gnn"])
def test_package_tables_are_light(name, fresh):
    tracemalloc.start()
    load(name)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**30


def test_gnn_table():
    table = load("gnn")
    assert table.genotypes.shape == (26206, 5)
    assert table.valid.all()
    # The first two keys of cora.bench: 0 and 10000.
    rows = table.rows(np.array([[0, 0, 0, 0, 0], [1, 0, 0, 0, 0]]))
    np.testing.assert_allclose(
        table.column("cora/valid_accuracy")[rows], [77.3333333, 79.9333333], rtol=1e-6
    )
    np.testing.assert_allclose(table.column("cora/test_accuracy")[rows][0], 79.7, rtol=1e-6)
    # Proteins were trained on gcn 1, sage 4, arma 5, fc 7 and skip 8 only.
    measured = ~np.isnan(table.column("proteins/test_accuracy"))
    assert measured.sum() == 2021
    assert set(np.unique(table.genotypes[measured][:, 1:])) == {1, 4, 5, 7, 8}


def test_gnn_reads_a_data_set_when_asked(fresh):
    table = load("gnn")
    assert packages._gnn_file.cache_info().currsize == 1  # for the genotypes
    table.column("arxiv/test_accuracy")
    table.column("arxiv/latency")
    assert packages._gnn_file.cache_info().currsize == 2


def test_parsed_once_and_without_importing_the_packages():
    program = (
        "import sys; from pnag_jax import benchmarks as b; "
        "t = [b.load(n) for n in ('nb201', 'gnn')]; "
        "assert t == [b.load(n) for n in ('nb201', 'gnn')]; t[1].column('cora/params'); "
        "print([m for m in sys.modules if 'nas_bench_graph' in m or 'analognasbench' in m])"
    )
    env = {"JAX_PLATFORMS": "cpu", "PYTHONPATH": ":".join(sys.path)}
    shown = subprocess.run(
        [sys.executable, "-c", program], env=env, check=True, capture_output=True, text=True
    )
    assert shown.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("name", "requirement"), [("nb201:analog", "analog-nasbench==0.1.3"),
                              ("nb201", "analog-nasbench==0.1.3"),
                              ("gnn", "nas-bench-graph==1.4.0")]
)  # fmt: skip
def test_missing_package_says_how_to_install_it(fresh, monkeypatch, name, requirement):
    def absent(package):
        raise importlib.metadata.PackageNotFoundError(package)

    monkeypatch.delenv("PNAG_BENCHMARK_DIR", raising=False)
    monkeypatch.setattr(importlib.metadata, "distribution", absent)
    with pytest.raises(MissingTableError, match=f"is not installed; pip install {requirement}"):
        load(name)


def test_package_without_its_file(fresh, monkeypatch, tmp_path):
    monkeypatch.setattr(
        importlib.metadata.PathDistribution, "locate_file", lambda self, file: tmp_path / file
    )
    with pytest.raises(MissingTableError, match=r"data\.anb of the package .* is missing"):
        load("nb201:analog")


def test_damaged_analog_file(relocated):
    file = relocated / "data.anb"
    file.write_bytes(b"")
    with pytest.raises(DataError, match=r"data\.anb: is truncated"):
        load("nb201:analog")
    file.write_bytes(pickle.dumps({(0, 0, 0, 0, 0, 0): 1.0}))
    with pytest.raises(DataError, match=r"data\.anb: does not hold the expected data"):
        load("nb201:analog")
    file.write_bytes(pickle.dumps({}))
    with pytest.raises(DataError, match="0 cells; expected 15,625"):
        load("nb201:analog")
    file.write_bytes(b"cos\nsystem\n.")
    with pytest.raises(DataError, match=r"it names os\.system, which is not allowed"):
        load("nb201:analog")


GNN_KEYS = [key for key in range(88889) if "9" not in str(key)][:26206]
GNN_ROW = dict.fromkeys(("valid_perf", "perf", "latency", "para"), 0.5)


def test_damaged_gnn_files(relocated):
    file = relocated / "cora.bench"
    file.write_bytes(pickle.dumps({0: GNN_ROW}))
    with pytest.raises(DataError, match=r"cora\.bench: .* 1 architectures; expected 26206"):
        load("gnn")
    file.write_bytes(pickle.dumps({99999 - i: GNN_ROW for i in range(26206)}))
    with pytest.raises(DataError, match=r"cora\.bench: .* a key is not a link index"):
        load("gnn")
    file.write_bytes(pickle.dumps({key: {"perf": 1} for key in GNN_KEYS}))
    with pytest.raises(DataError, match=r"cora\.bench: .*valid_perf"):
        load("gnn")


def test_gnn_files_that_do_not_fit_together(relocated, fresh):
    (relocated / "cora.bench").write_bytes(pickle.dumps(dict.fromkeys(GNN_KEYS, GNN_ROW)))
    table = load("gnn")
    (relocated / "proteins.bench").write_bytes(pickle.dumps({88888: GNN_ROW}))
    with pytest.raises(DataError, match=r"proteins\.bench: has architectures that are not in cora"):
        table.column("proteins/latency")
