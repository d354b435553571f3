from __future__ import annotations

import os
import tracemalloc

import numpy as np
import pytest

from pnag_jax import benchmarks, spaces
from pnag_jax.benchmarks import read_table, save_table
from pnag_jax.benchmarks.tables import looks_like_table
from pnag_jax.errors import DataError, UsageError, UserError


def saved(path, arrays):
    np.savez_compressed(path, **arrays)
    return path


def replaced(arrays, **changes):
    """``arrays`` with some replaced, or left out where None."""
    merged = {**arrays, **changes}
    return {key: value for key, value in merged.items() if value is not None}


def test_reads_what_was_written(tmp_path, toy):
    columns = {metric: toy.column(metric) for metric in toy.metrics}
    path = tmp_path / "mine.npz"
    save_table(
        path, space="nb201", genotypes=toy.genotypes, columns=columns, meta={"units": "percent"}
    )
    assert os.listdir(tmp_path) == ["mine.npz"]
    table = read_table(path, space="nb201")
    assert (table.name, table.space_name, table.metrics) == ("mine", "nb201", toy.metrics)
    assert table.meta == {"units": "percent"}
    assert table.genotypes.dtype == np.int16
    np.testing.assert_array_equal(table.genotypes, toy.genotypes)
    for metric, values in columns.items():
        assert table.column(metric).dtype == np.float32
        np.testing.assert_array_equal(table.column(metric), values)
    # The same content makes the same bytes.
    first = path.read_bytes()
    save_table(
        path, space="nb201", genotypes=toy.genotypes, columns=columns, meta={"units": "percent"}
    )
    assert path.read_bytes() == first


def test_files_of_numpy_are_read(tmp_path, arrays):
    assert read_table(saved(tmp_path / "t.npz", arrays)).column("toy/params")[2] == 20


def test_genes_are_written_as_the_numbers_that_they_stand_for(tmp_path):
    """Expansion, kernel, layers and squeeze-and-excitation of each block."""
    space = spaces.get("mnasnet")
    genotypes = np.array([[0, 0, 0, 0] * 7, [2, 1, 2, 1] * 5 + [1, 0, 3, 0] + [0, 1, 0, 0]])
    path = tmp_path / "mine.npz"
    columns = {"imagenet/valid_top1": [50, 60]}
    save_table(path, space="mnasnet", genotypes=genotypes, columns=columns, meta={})
    with np.load(path) as file:
        arrays = dict(file)
    assert arrays["arch"].tolist() == [
        [1, 3, 1, 0] * 7,
        [6, 5, 3, 1] * 5 + [4, 3, 4, 0] + [1, 5, 1, 0],
    ]
    table = read_table(path)
    np.testing.assert_array_equal(table.genotypes, genotypes)
    assert bool(np.asarray(space.is_valid(table.genotypes)).all())
    arrays["arch"][1, 4] = 5
    with pytest.raises(
        DataError, match=r"arch: row 1, block1\.expansion = 5; accepted are 1, 4, 6$"
    ):
        read_table(saved(path, arrays))


def test_what_is_no_genotype_is_not_saved(tmp_path):
    path = tmp_path / "mine.npz"
    for genotypes, message in [
        ([[1, 3, 1, 0] * 7], r"arch: row 0, block0\.kernel = 3; accepted are 0, 1$"),
        ([[0, -1, 0, 0] * 7], r"arch: row 0, block0\.kernel = -1; accepted are 0, 1$"),
        ([0] * 28, r"arch: shape \(28,\) of int64; expected \[rows, 28\] integers"),
    ]:
        with pytest.raises(DataError, match=rf"^{path}: {message}"):
            columns = {"imagenet/valid_top1": [50]}
            save_table(path, space="mnasnet", genotypes=genotypes, columns=columns, meta={})
    assert os.listdir(tmp_path) == []


def test_failed_save_keeps_the_old_file(tmp_path, toy):
    path = tmp_path / "t.npz"
    path.write_text("precious")
    with pytest.raises(DataError, match=r"t\.npz: toy/x: every value is NaN"):
        save_table(
            path,
            space="nb201",
            genotypes=toy.genotypes,
            columns={"toy/x": np.full(7, np.nan)},
            meta={},
        )
    assert path.read_text() == "precious"
    assert os.listdir(tmp_path) == ["t.npz"]
    with pytest.raises(UserError, match=r"nowhere/t\.npz: cannot write: No such file"):
        save_table(
            tmp_path / "nowhere" / "t.npz",
            space="nb201",
            genotypes=toy.genotypes,
            columns={"toy/x": np.ones(7)},
            meta={},
        )


DAMAGE = {
    "no space": (lambda a: replaced(a, space=None), "space missing"),
    "no arch, no meta": (lambda a: replaced(a, arch=None, meta=None), "arch, meta missing"),
    "no columns": (
        lambda a: {k: v for k, v in a.items() if "/" not in k},
        "no <dataset>/<metric> column",
    ),
    "space is a number": (lambda a: replaced(a, space=np.array(3)), "space: shape"),
    "another space": (
        lambda a: replaced(a, space=np.array("macro")),
        "space: 'macro'; expected 'nb201'",
    ),
    "a gene too few": (
        lambda a: replaced(a, arch=a["arch"][:, :5]),
        r"arch: shape \(7, 5\) of int16; expected \[rows, 6\] integers",
    ),
    "genotypes as floats": (lambda a: replaced(a, arch=a["arch"] * 1.0), "arch: .*float64"),
    "genotypes as objects": (lambda a: replaced(a, arch=a["arch"].astype(object)), "arch: cannot"),
    "no rows": (lambda a: replaced(a, arch=a["arch"][:0]), "arch: no rows"),
    "genes in another order": (
        lambda a: replaced(a, arch_fields=a["arch_fields"][::-1]),
        "arch_fields: .*expected",
    ),
    "a gene too large": (
        lambda a: replaced(a, arch=np.where(a["arch"] == 4, 5, a["arch"])),
        r"arch: row 3, 0->3 = 5; accepted are 0, 1, 2, 3, 4",
    ),
    "a negative gene": (
        lambda a: replaced(a, arch=np.where(a["arch"] == 4, -1, a["arch"])),
        r"arch: row 3, 0->3 = -1; accepted",
    ),
    "meta is not JSON": (lambda a: replaced(a, meta=np.array("units: %")), "meta: is not JSON"),
    "meta is a list": (lambda a: replaced(a, meta=np.array("[]")), "meta: is not a JSON object"),
    "an unknown key": (
        lambda a: replaced(a, accuracy=np.ones(7, np.float32)),
        "accuracy: is neither",
    ),
    "a short column": (
        lambda a: {**a, "toy/params": np.ones(6, np.float32)},
        r"toy/params: shape \(6,\) of float32; expected \(7,\) float32",
    ),
    "a column of doubles": (lambda a: {**a, "toy/params": np.ones(7)}, "toy/params: .*float64"),
    "a column of objects": (
        lambda a: {**a, "toy/params": np.array([None] * 7)},
        "toy/params: cannot be read: Object arrays",
    ),
    "only NaN": (
        lambda a: {**a, "toy/params": np.full(7, np.nan, np.float32)},
        "toy/params: every value is NaN",
    ),
    "infinite": (
        lambda a: {**a, "toy/params": np.array([1, 1, np.inf, 1, 1, 1, 1], np.float32)},
        "toy/params: row 2 is infinite",
    ),
    "repeated rows": (
        lambda a: {k: v[[0, 1, 2, 6, 2, 4, 6]] if v.shape[:1] == (7,) else v for k, v in a.items()},
        "arch: 2 duplicate rows, the first is row 4, which repeats row 2 in every value",
    ),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_wrong_content_is_named(tmp_path, arrays, case):
    damage, message = DAMAGE[case]
    path = saved(tmp_path / "t.npz", damage(arrays))
    with pytest.raises(DataError, match=rf"^{path}: {message}") as error:
        read_table(path, space="nb201")
    assert "\n" not in str(error.value)
    assert error.value.exit_code == 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"is empty \(zero bytes\)"),
        (
            b"<!DOCTYPE html><html>404</html>",
            r"is not an \.npz archive, it begins with b'<!DOCTYPE",
        ),
        (b"\x93NUMPY\x01\x00", "is not an .npz archive"),
        (b"PK\x03\x04 and then nothing of a zip", "is truncated or damaged"),
    ],
)
def test_other_files_are_told_apart(tmp_path, content, message):
    path = tmp_path / "t.npz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"t\.npz: {message}"):
        read_table(path)
    assert not looks_like_table(path)


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.999])
def test_truncated_file(tmp_path, arrays, kept):
    path = saved(tmp_path / "t.npz", arrays)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(DataError, match=r"t\.npz: is truncated or damaged"):
        read_table(path)


def test_a_flipped_bit_is_found_with_its_field(tmp_path, arrays):
    path = tmp_path / "t.npz"
    np.savez(path, **arrays)  # not compressed, so that the bytes can be found
    content = bytearray(path.read_bytes())
    at = content.index(arrays["toy/test_accuracy"].tobytes())
    content[at + 2] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match=r"t\.npz: toy/test_accuracy: cannot be read: Bad CRC"):
        read_table(path)


def test_file_that_changes_after_it_was_opened(tmp_path, arrays):
    path = saved(tmp_path / "t.npz", arrays)
    table = read_table(path)
    path.write_bytes(b"")
    with pytest.raises(DataError, match="zero bytes"):
        table.column("toy/params")


def test_second_measurement_of_a_genotype_is_no_damage(tmp_path, arrays):
    genotypes = arrays["arch"][[0, 1, 2, 3, 4, 5, 2]]
    table = read_table(saved(tmp_path / "t.npz", replaced(arrays, arch=genotypes)))
    assert table.rows(genotypes).tolist() == [0, 1, 2, 3, 4, 5, 2]


def test_space_that_is_not_ours(tmp_path, arrays):
    path = saved(tmp_path / "t.npz", replaced(arrays, space=np.array("nb999")))
    with pytest.raises(
        UsageError, match=r"space: 'nb999' is unknown; accepted are .*gnn, .*macro, "
    ):
        read_table(path)
    assert not looks_like_table(path)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(UsageError, match=r"t\.npz: cannot read: No such file"):
        read_table(tmp_path / "t.npz")
    with pytest.raises(UsageError, match="cannot read: Is a directory"):
        read_table(tmp_path)


def test_every_shared_table_of_a_known_space(benchmark_dir):
    for path in sorted(benchmark_dir.glob("*.npz")):
        if path.stem not in spaces.names() or not looks_like_table(path):
            continue
        tracemalloc.start()
        table = read_table(path, space=path.stem)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 2**30
        for metric in table.metrics:
            assert table.column(metric).shape == (len(table.genotypes),)
        np.testing.assert_array_equal(
            table.rows(table.genotypes)[table.looked_up], np.flatnonzero(table.looked_up)
        )
        for metric, value in table.meta.get("optimum", {}).items():
            np.testing.assert_allclose(benchmarks.optimum(table, metric, True), value, atol=1e-3)


def test_shared_nb201_row(benchmark_dir):
    """Row 0 is the official index 0, |avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+..."""
    table = benchmarks.load("nb201", benchmark_dir)
    assert len(table.genotypes) == 15625
    assert table.genotypes[0].tolist() == [4, 2, 1, 2, 1, 1]
    assert table.rows(table.genotypes[::-1]).tolist() == list(range(15625))[::-1]
