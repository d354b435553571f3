from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from absl import flags

from experiments import import_benchmark
from pnag_jax import benchmarks
from pnag_jax.errors import DataError, UsageError
from tests.benchmarks.importers import official
from tests.experiments.small_run import ROOT


@pytest.fixture
def given(tmp_path):
    """A function that runs the program with flags, its output folder beside the source."""

    def run(*arguments: str) -> None:
        values = flags.FlagValues()
        import_benchmark.define_flags(values)
        values(["program", f"--out={tmp_path}/out", *arguments])
        import_benchmark.main(values)

    return run


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "nas-bench-macro_cifar10.json"
    official.write_macro(path)
    return path


def test_the_table_can_be_searched(given, source, tmp_path, capsys):
    given(f"--source={source}")
    told = capsys.readouterr()
    assert told.out == f"{tmp_path}/out/macro.npz\n"
    assert "2 rows; the space macro has 6,561 architectures" in told.err
    table = benchmarks.load("macro", tmp_path / "out")
    assert benchmarks.get_task(table, "cifar10").report_column == "cifar10/test_accuracy"
    given(f"--source={source}", "--layout=nas-bench-macro", "--name=mine")
    assert benchmarks.load("mine", tmp_path / "out").space_name == "macro"


def test_columns_beside_those_of_a_table(given, tmp_path):
    """Costs of cells 0 to 2 beside accuracies of cells 1 and another."""
    table = tmp_path / "nb201.npz"
    cells = np.array([(4, 4, 4, 4, 4, 4), official.GENOTYPES[1]])
    benchmarks.save_table(
        table, space="nb201", genotypes=cells, columns={"cifar10/test_accuracy": [9, 8]}, meta={}
    )
    source = tmp_path / "HW-NAS-Bench-v1_0.pickle"
    official.write_hw(source)
    given(f"--source={source}", f"--join={table}", "--name=both")
    both = benchmarks.load("both", tmp_path / "out")
    assert both.genotypes.tolist() == cells.tolist()
    np.testing.assert_array_equal(both.column("cifar10/test_accuracy"), [9, 8])
    np.testing.assert_array_equal(both.column("cifar10/edgegpu_latency_ms"), [np.nan, 1.5])
    assert source.name in both.meta["joined"][0]["sources"][0]
    with pytest.raises(UsageError, match="has columns of the same name: ImageNet16-120/edgegpu"):
        given(f"--source={source}", f"--join={tmp_path}/out/both.npz")


def test_flags_that_are_not_accepted(given, source, tmp_path):
    for arguments, reason in {
        (f"--source={tmp_path}/none",): "--source=.*none: no such file or folder",
        (f"--source={source}", "--name=a/b"): "--name=a/b: accepted is a plain file name",
        (f"--source={source}", f"--out={source}"): "--out=.*: cannot be made a folder: File exists",
        (f"--source={source}", f"--join={tmp_path}/none"): "none: cannot read: No such file",
    }.items():
        with pytest.raises(UsageError, match=reason):
            given(*arguments)
    with pytest.raises(DataError, match=r"macro_cifar10\.json"):
        given(f"--source={source}", "--layout=nas-bench-101")


def test_damaged_file_ends_with_one_line_and_status_3(source):
    source.write_bytes(source.read_bytes()[:-20])
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "experiments.import_benchmark"),
            *(f"--source={source}", f"--out={source.parent}"),
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=300,
    )
    assert ended.returncode == 3 and ended.stdout == ""
    _, line = ended.stderr.splitlines()
    assert line.startswith(f"error: {source}: is truncated or no JSON")
