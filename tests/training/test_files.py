import errno
import os

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pnag_jax.errors import UserError
from pnag_jax.training import files


@pytest.mark.parametrize(
    ("value", "want"),
    [
        (np.float32(0.1), 0.1),
        (jnp.bfloat16(0.1), 0.100098),
        (np.float64(0.1) + np.float64(0.2), 0.30000000000000004),
        (jnp.arange(3), [0, 1, 2]),
        (np.array([[True], [False]]), [[True], [False]]),
        ((1, None, "a"), [1, None, "a"]),
        ({1: {"b": np.int8(3)}}, {"1": {"b": 3}}),
        ([np.nan, np.inf, np.float32("-inf")], [None, None, None]),
        (np.array(["x"]), ["x"]),
        (os.path.join("a", "b"), "a/b"),
    ],
)
def test_plain(value, want):
    got = files.plain(value)
    assert got == want
    assert type(got) is type(want)


def test_plain_refuses_what_is_not_data():
    for value in (plain := files.plain, object(), {1, 2}, np.datetime64("2020"), b"bytes"):
        with pytest.raises(TypeError, match="no JSON form for"):
            plain(value)


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_the_short_form_of_a_float32_gives_it_back(value):
    assert np.float32(files.plain(np.float32(value))) == np.float32(value)


@pytest.mark.parametrize("call", ["fsync", "replace", "open"])
def test_a_refused_write_leaves_the_old_file_whole(tmp_path, monkeypatch, call):
    path = tmp_path / "a.json"
    files.write_json(path, [1])

    def refuse(*args, **kwargs):
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, refuse)
        with pytest.raises(UserError, match=f"{path}: cannot write: Disk quota exceeded"):
            files.write_json(path, [2])
    assert path.read_text() == "[\n  1\n]\n"
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_links_are_replaced_not_followed(tmp_path):
    (tmp_path / "victim").write_text("old")
    for name in ("a.txt", ".b.txt.tmp"):
        (tmp_path / name).symlink_to(tmp_path / "victim")
    files.write_text(tmp_path / "a.txt", "new")
    files.write_text(tmp_path / "b.txt", "new")
    assert (tmp_path / "victim").read_text() == "old"
    assert (tmp_path / "a.txt").read_text() == (tmp_path / "b.txt").read_text() == "new"


def test_sha256_of_a_known_text(tmp_path):
    files.write_text(tmp_path / "a", "abc")  # FIPS 180-2, appendix B.1
    want = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert files.sha256(tmp_path / "a") == want
