import errno
import logging
import os
import shutil
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toy

from pnag_jax.errors import DataError, UsageError, UserError
from pnag_jax.training import hosts
from pnag_jax.training.checkpoints import Checkpoints
from pnag_jax.training.trees import AnyShape


def tree(value=0.0):
    return {"w": np.full(4, value, np.float32), "n": np.arange(3)}


@pytest.fixture(scope="module")
def three_steps(tmp_path_factory):
    made = Checkpoints(tmp_path_factory.mktemp("saved"))
    for step in (1, 2, 3):
        made.save(step, tree(step))
    return made.folder


@pytest.fixture
def saved(three_steps, tmp_path):
    """Steps 1, 2, 3 with w = 1, 2, 3."""
    return Checkpoints(shutil.copytree(three_steps, tmp_path / "checkpoints"))


def data_file(checkpoints, step):
    """The largest file of orbax's in a step."""
    found = [p for p in (checkpoints.folder / str(step) / "arrays").rglob("*") if p.is_file()]
    return max(found, key=lambda p: (p.stat().st_size, p))


def restored_step(checkpoints):
    step, got = checkpoints.restore(tree())
    assert got["w"][0] == step, "the values are not those of the step"
    return step


def data_of(leaf):
    if isinstance(leaf, jax.Array) and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    return np.asarray(leaf)


def test_every_kind_of_leaf_comes_back_bit_for_bit(tmp_path):
    state = {
        "train": toy.make_state(),
        "numpy": {"float64": np.array([1 / 3, -0.0]), "bool": np.array([True]), "0d": np.array(2)},
        "minus zeros": -np.zeros(5, np.float32),
        "a/b.c['d']": jnp.ones(3, jnp.bfloat16),
        "small": (jnp.ones(2, jnp.int4), jnp.ones(2, jnp.float8_e4m3fn), np.complex64(2j)),
        "keys": [jax.random.key(1), jax.random.split(jax.random.key(1, impl="rbg"), 3)],
        "empty": (np.zeros((0, 3), np.int8), jax.random.split(jax.random.key(0), 2)[:0], None, {}),
        "python": (3, -(2**62), 0.1, True),
    }
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(0, state)
    for target in (state, jax.eval_shape(lambda: state["train"])):
        if target is not state:
            checkpoints = Checkpoints(tmp_path / "abstract")
            checkpoints.save(0, state["train"])
        step, got = checkpoints.restore(target)
        assert step == 0
        assert jax.tree.structure(got) == jax.tree.structure(target)
        want = jax.tree.leaves(state if target is state else state["train"])
        for a, b in zip(jax.tree.leaves(got), want, strict=True):
            assert type(a) is type(b)
            assert data_of(a).dtype == data_of(b).dtype
            assert data_of(a).tobytes() == data_of(b).tobytes()
    assert np.signbit(np.asarray(Checkpoints(tmp_path).restore(state)[1]["minus zeros"])).all()


def test_a_tree_without_elements_and_a_single_leaf(tmp_path):
    Checkpoints(tmp_path / "a").save(0, {})
    assert Checkpoints(tmp_path / "a").restore({}).tree == {}
    Checkpoints(tmp_path / "b").save(0, np.float32(2))
    assert Checkpoints(tmp_path / "b").restore(np.float32(0)).tree == 2


def test_any_shape_takes_a_grown_array_of_the_right_dtype(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(7, {"rows": np.arange(5), "values": np.zeros(0)})
    target = {"rows": AnyShape(np.int64), "values": AnyShape(np.float64)}
    step, got = checkpoints.restore(target)
    assert step == 7 and got["rows"].tolist() == [0, 1, 2, 3, 4] and got["values"].shape == (0,)
    with pytest.raises(DataError, match=r"\['rows'\] is int64\[any shape\] and int32"):
        checkpoints.restore({**target, "rows": AnyShape(np.int32)})


def test_nothing_saved_is_none_and_makes_no_folder(tmp_path):
    assert Checkpoints(tmp_path / "none").restore(tree()) is None
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ({"w": np.zeros(4, np.float16), "n": np.arange(3)}, r"\['w'\] is float32\[4\] and float16"),
        ({"w": np.zeros((2, 2), np.float32), "n": np.arange(3)}, r"float32\[2,2\] is expected"),
        ({"w": np.zeros(4, np.float32)}, r"\['n'\] is not expected"),
        ({**tree(), "x": 1}, r"\['x'\] is missing"),
        ({**tree(), "n": 1}, r"\['n'\] is int64\[3\] and Python int is expected"),
        ({**tree(), "n": jax.random.key(0)}, r"key<fry>\[\] is expected"),
        ([np.zeros(4, np.float32), np.arange(3)], r"and 3 other differences"),
    ],
)
def test_a_target_of_another_dtype_shape_or_structure_is_an_error(saved, target, message):
    with pytest.raises(DataError, match=message) as caught:
        saved.restore(target)
    assert str(saved.folder / "3") in str(caught.value)


def test_keeps_the_last_k_and_refuses_none(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=2)
    for step in (0, 5, 10, 15):
        checkpoints.save(step, tree(step))
    assert checkpoints.steps() == [10, 15]
    assert checkpoints.restore(tree(), step=10).step == 10
    with pytest.raises(UsageError, match="no step 5; there are"):
        checkpoints.restore(tree(), step=5)
    with pytest.raises(UsageError, match="keep=0"):
        Checkpoints(tmp_path, keep=0)


def test_damaged_steps_do_not_count_as_kept(saved):
    data_file(saved, 2).write_bytes(b"")
    data_file(saved, 3).write_bytes(b"")
    fewer = Checkpoints(saved.folder, keep=2)
    fewer.save(4, tree(4))
    assert 1 in fewer.steps(), "the only other good step was deleted"
    fewer.save(5, tree(5))
    assert fewer.steps() == [4, 5]


def flip_a_bit(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


def truncate(path):
    os.truncate(path, path.stat().st_size // 2)


def link_elsewhere(path):
    path.unlink()
    path.symlink_to("/dev/zero")


DAMAGES = {
    "flipped bit": lambda c: flip_a_bit(data_file(c, 3)),
    "truncated file": lambda c: truncate(data_file(c, 3)),
    "missing file": lambda c: data_file(c, 3).unlink(),
    "link for a file": lambda c: link_elsewhere(data_file(c, 3)),
    "flipped bit in the manifest": lambda c: flip_a_bit(c.folder / "3" / "manifest.json"),
    "truncated manifest": lambda c: truncate(c.folder / "3" / "manifest.json"),
    "missing manifest": lambda c: (c.folder / "3" / "manifest.json").unlink(),
    "empty step": lambda c: (shutil.rmtree(c.folder / "3"), (c.folder / "3").mkdir()),
    "file for a step": lambda c: (shutil.rmtree(c.folder / "3"), (c.folder / "3").touch()),
    "link for a step": lambda c: (shutil.rmtree(c.folder / "3"), (c.folder / "3").symlink_to("/")),
    "renamed step": lambda c: os.rename(c.folder / "3", c.folder / "9"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_newest_step_falls_back_names_the_file_and_is_written_anew(saved, damage, caplog):
    DAMAGES[damage](saved)
    newest = max(saved.steps())
    with pytest.raises(DataError, match=str(saved.folder / str(newest))):
        saved.restore(tree(), strict=True)
    with caplog.at_level(logging.WARNING):
        assert restored_step(saved) == 2
    (record,) = caplog.records
    assert f"{saved.folder}/{newest}/" in record.message
    assert record.message.endswith("step 2 is used instead")
    saved.save(newest, tree(newest))
    assert restored_step(Checkpoints(saved.folder)) == newest


def test_every_single_flipped_bit_is_found(saved):
    rng = np.random.default_rng(0)
    paths = sorted(p for p in (saved.folder / "3").rglob("*") if p.is_file())
    for path in paths:
        whole = path.read_bytes()
        for _ in range(5 if whole else 0):
            data = bytearray(whole)
            data[rng.integers(len(data))] ^= 1 << rng.integers(8)
            path.write_bytes(data)
            with pytest.raises(DataError, match=str(path)):
                Checkpoints(saved.folder).verify(3)
        path.write_bytes(whole)
    Checkpoints(saved.folder).verify(3)


def test_when_no_step_is_whole_it_says_so_and_does_not_start_anew(saved):
    for step in saved.steps():
        data_file(saved, step).write_bytes(b"")
    with pytest.raises(DataError, match=r"no step in .* is whole: delete the folder") as caught:
        saved.restore(tree())
    assert str(data_file(saved, 3).parent) in str(caught.value)


def test_left_over_temporary_folders_are_ignored_then_deleted(saved):
    shutil.copytree(saved.folder / "3", saved.folder / "4.tmp")
    (saved.folder / "5.tmp").mkdir()
    (saved.folder / "notes.txt").write_text("the user's own")
    assert restored_step(saved) == 3
    saved.save(4, tree(4))
    names = sorted(p.name for p in saved.folder.iterdir())
    assert names == ["2", "3", "4", "notes.txt"]
    (saved.folder / "6.tmp").touch()
    Checkpoints(saved.folder, keep=2).clean()
    assert sorted(p.name for p in saved.folder.iterdir()) == ["3", "4", "notes.txt"]


@pytest.mark.parametrize(("bad", "said"), [(np.nan, "NaN"), (-np.inf, "Inf")])
@pytest.mark.parametrize("dtype", [np.float32, jnp.bfloat16])
def test_nan_and_inf_are_refused_before_anything_is_written(saved, bad, said, dtype):
    before = sorted(p for p in saved.folder.rglob("*"))
    state = {"w": jnp.ones(3, dtype).at[1].set(bad)}
    with pytest.raises(UserError) as caught:
        saved.save(4, state)
    assert str(caught.value) == (
        f"step 4 is not saved: ['w'] holds {said}; the newest checkpoint is step 3"
    )
    assert sorted(p for p in saved.folder.rglob("*")) == before
    saved.save(4, state, require_finite=lambda name: name != "['w']")
    saved.save(5, state, require_finite=False)


def test_a_good_step_is_not_overwritten(saved):
    with pytest.raises(UserError, match="step 3 is already saved"):
        saved.save(3, tree(0))
    assert restored_step(saved) == 3


def test_leaves_that_are_not_numbers_are_refused(tmp_path):
    for leaf in ("text", object(), np.array(["a"]), np.array([None])):
        with pytest.raises(TypeError, match=r"\['x'\]: a checkpoint holds arrays"):
            Checkpoints(tmp_path).save(0, {"x": leaf})


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("mkdir", errno.EROFS),
        ("rename", errno.EDQUOT),
        ("fsync", errno.ENOSPC),
        ("replace", errno.ENOSPC),
    ],
)
def test_a_refusing_system_leaves_the_previous_step_whole(saved, monkeypatch, call, error):
    def refuse(*args, **kwargs):
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, call, refuse)
    with pytest.raises(UserError) as caught:
        saved.save(4, tree(4))
    monkeypatch.undo()
    assert caught.value.exit_code == 1
    assert str(saved.folder / "4") in str(caught.value)
    assert os.strerror(error) in str(caught.value)
    assert sorted(p.name for p in saved.folder.iterdir()) == ["1", "2", "3"]
    assert restored_step(saved) == 3
    saved.save(4, tree(4))
    assert restored_step(saved) == 4


def test_a_full_disk_inside_orbax_is_one_clear_line(saved):
    """A file size limit stands for the full disk: the C++ writer meets it."""
    program = f"""if True:
        import resource, sys
        import numpy as np
        from pnag_jax.errors import UserError
        from pnag_jax.training.checkpoints import Checkpoints
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
        try:
            noise = np.random.default_rng(0).random(50_000)
            Checkpoints({str(saved.folder)!r}).save(4, {{"w": noise}})
        except UserError as error:
            print(error, file=sys.stderr)
            sys.exit(error.exit_code)
    """
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env={**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": toy.ROOT},
    )
    assert done.returncode == 1, done.stderr
    assert done.stderr == f"{saved.folder}/4.tmp: cannot write: File too large\n"
    assert saved.steps() == [1, 2, 3]
    assert restored_step(saved) == 3


def test_a_folder_that_another_process_does_not_see_is_the_leaders_alone(
    monkeypatch, tmp_path, caplog
):
    monkeypatch.setattr(hosts, "texts", lambda text: [text, "False"])
    assert Checkpoints(tmp_path / "here").of_all() is None
    assert "here: process 1 does not see it, process 0 alone saves" in caplog.text
    assert not list((tmp_path / "here").iterdir())
