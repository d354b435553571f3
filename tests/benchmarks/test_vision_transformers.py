"""Samples of AutoFormer's tiny variant: a small file, damage, the shared one."""

from __future__ import annotations

import json

import jax
import numpy as np
import pytest

from pnag_jax import benchmarks, spaces
from pnag_jax.benchmarks import load, vision_transformers
from pnag_jax.errors import DataError, UsageError

SPACE = spaces.get("autoformer")
CONFIGS = [SPACE.to_string(genotype) for genotype in np.asarray(SPACE.sample(jax.random.key(0), 5))]


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    """Three architectures and two; the second sample lacks what is not distilled."""
    found = {"space": np.array("autoformer"), "meta": np.array(json.dumps({"units": "percent"}))}
    for sample, rows in (("gt_autoformer", slice(0, 3)), ("gt_autoformer_2", slice(3, 5))):
        found[f"{sample}_arch_json"] = np.array(CONFIGS[rows])
        for i, key in enumerate(vision_transformers._COLUMNS):
            values = np.arange(5, dtype=np.float32)[rows] + 10 * i
            missing = sample.endswith("2") and key.endswith("base_acc")
            found[f"{sample}_{key}"] = np.full_like(values, np.nan) if missing else values
    return found


def saved(folder, arrays) -> str:
    np.savez(folder / "autoformer.npz", **arrays)
    return str(folder / "autoformer.npz")


def test_both_samples_are_one_table(tmp_path, arrays):
    saved(tmp_path, arrays)
    table = load("autoformer", tmp_path)
    assert [SPACE.to_string(row) for row in table.genotypes] == CONFIGS
    assert table.metrics[0] == "imagenet/supernet_accuracy"
    np.testing.assert_array_equal(table.column("imagenet/supernet_accuracy"), [0, 1, 2, 3, 4])
    nan = np.nan
    np.testing.assert_array_equal(table.column("cifar100/base_accuracy"), [10, 11, 12, nan, nan])
    np.testing.assert_array_equal(table.column("chaoyang/kd_accuracy"), [60, 61, 62, 63, 64])
    assert benchmarks.default_task(table) == "imagenet@supernet_accuracy"
    assert "autoformer" in benchmarks.names(tmp_path)
    assert load(str(tmp_path / "autoformer.npz")).metrics == table.metrics


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("gt_autoformer_arch_json", np.array([*CONFIGS[:2], "{}"]), "arch_json: row 2: autoformer"),
        ("gt_autoformer_arch_json", np.arange(3), "arch_json: shape .* of int64; expected strings"),
        ("gt_autoformer_c100_kd_acc", np.zeros(2, np.float32), r"c100_kd_acc: shape \(2,\)"),
        ("gt_autoformer_c100_kd_acc", np.full(3, np.inf, np.float32), "row 0 is infinite"),
        ("meta", np.array("{"), "meta: is not JSON"),
        ("space", np.array("macro"), "space: 'macro'; expected 'autoformer'"),
    ],
)
def test_damage_is_named(tmp_path, arrays, key, value, message):
    path = saved(tmp_path, arrays | {key: value})
    with pytest.raises(DataError, match=message):
        vision_transformers.read(path)


def test_a_missing_column_is_named(tmp_path, arrays):
    del arrays["gt_autoformer_2_flower_kd_acc"]
    with pytest.raises(DataError, match="gt_autoformer_2_flower_kd_acc: cannot be read"):
        vision_transformers.read(saved(tmp_path, arrays))
    with pytest.raises(UsageError, match="cannot read: No such file"):
        vision_transformers.read(tmp_path / "none.npz")


def test_the_shared_file(benchmark_dir):
    table = load("autoformer", benchmark_dir)
    assert len(table.genotypes) == 200 and table.valid.all()
    assert (table.genotypes[:, 0] == 0).all()  # all of them tiny
    assert benchmarks.queryable(table, "cifar100/base_accuracy") == 100
    assert benchmarks.optimum(table, "imagenet/supernet_accuracy", True) == pytest.approx(75.51)
