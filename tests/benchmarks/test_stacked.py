"""Two tables of language models as one."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from pnag_jax import benchmarks, spaces
from pnag_jax.benchmarks import load, names, save_table
from pnag_jax.benchmarks.packages import MissingTableError
from pnag_jax.errors import DataError

SPACE = spaces.get("gpt2")
DRAWN = np.array(SPACE.sample(jax.random.key(0), 5))
# An inner width between two steps.
DRAWN[0, SPACE.fields.index("d_inner_ones0")] = 5
DRAWN[0, SPACE.fields.index("d_inner0")] = 3


@pytest.fixture
def folder(tmp_path):
    for stem, rows in (("gpt2_wt103", slice(0, 3)), ("gpt2_lm1b", slice(3, 5))):
        values = np.arange(5, dtype=np.float32)[rows]
        columns = {"lm/valid_perplexity": values, "lm/params": 10 * values}
        save_table(
            tmp_path / f"{stem}.npz", space="gpt2", genotypes=DRAWN[rows], columns=columns, meta={}
        )
    return tmp_path


def test_rows_stand_below_each_other_under_names_of_their_own(folder):
    table = load("gpt2", folder)
    assert table.name == table.space_name == "gpt2"
    np.testing.assert_array_equal(table.genotypes, DRAWN)
    assert table.metrics == (
        *("wt103/valid_perplexity", "wt103/params", "lm1b/valid_perplexity", "lm1b/params"),
    )
    nan = np.nan
    np.testing.assert_array_equal(table.column("wt103/params"), [0, 10, 20, nan, nan])
    np.testing.assert_array_equal(table.column("lm1b/valid_perplexity"), [nan, nan, nan, 3, 4])
    assert benchmarks.queryable(table, "wt103/params") == 3
    assert "gpt2_wt103.npz" in table.source and "gpt2_lm1b.npz" in table.source


def test_one_file_is_a_table_too(folder):
    (folder / "gpt2_lm1b.npz").unlink()
    assert load("gpt2", folder).datasets == ("wt103",)
    assert set(names(folder)) >= {"gpt2", "gpt2_wt103"}
    (folder / "gpt2_wt103.npz").unlink()
    with pytest.raises(MissingTableError, match=r"put gpt2_wt103\.npz or gpt2_lm1b\.npz there"):
        load("gpt2", folder)


def test_a_damaged_part_is_not_passed_over(folder):
    (folder / "gpt2_lm1b.npz").write_bytes(b"")
    with pytest.raises(DataError, match=r"gpt2_lm1b\.npz: is empty"):
        load("gpt2", folder)


def test_a_width_that_the_space_has_not_is_damage(folder, tmp_path):
    with np.load(folder / "gpt2_wt103.npz") as archive:
        arrays = {key: archive[key] for key in archive.files}
    arrays["arch"][1, 20] = 2049
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(DataError, match=r"row 1, d_inner0 = 2049; accepted are 0, 512 \.\. 2048$"):
        load(str(tmp_path / "x.npz"))
    arrays["arch"][1, [1, 2, 20]] = [64, -1, 512]
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(DataError, match="arch: row 1, d_embed = -1 with d_model = 64"):
        load(str(tmp_path / "x.npz"))


def test_the_shared_tables(benchmark_dir):
    table = load("gpt2", benchmark_dir)
    assert len(table.genotypes) == 400 and table.valid.all()
    assert benchmarks.optimum(table, "wt103/valid_perplexity", False) == pytest.approx(
        24.327, abs=1e-3
    )
