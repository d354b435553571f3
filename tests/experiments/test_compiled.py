"""Where compiled programs are kept."""

from __future__ import annotations

import os
import pathlib

import jax
import pytest

from experiments import compiled
from pnag_jax.errors import UsageError, UserError


def test_the_folder_is_the_users_own_and_of_this_machine(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    own = compiled.prepare(compiled.default_folder())
    assert own == tmp_path / "pnag_jax" / compiled.fingerprint()
    assert own.stat().st_mode & 0o777 == 0o700
    assert compiled.prepare(compiled.default_folder()) == own
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert compiled.default_folder() == pathlib.Path("/home/somebody/.cache/pnag_jax")


def test_a_folder_that_others_write_to_is_refused(tmp_path):
    tmp_path.chmod(0o777)
    with pytest.raises(UserError, match="others can write to it, and what it holds is executed"):
        compiled.prepare(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write: "):
        compiled.prepare(tmp_path / "file")


def test_room_is_made_by_what_was_used_least_recently(tmp_path):
    for i, name in enumerate("abcd"):
        (tmp_path / name).write_bytes(b"x" * 10)
        os.utime(tmp_path / name, (100 * i, 0))
    os.utime(tmp_path / "a", (1000, 0))  # read again
    compiled.make_room(tmp_path, 20)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "d"]


@pytest.fixture
def settings(monkeypatch):
    """What ``use`` tells JAX, which here stays as it is."""
    told = {}
    monkeypatch.setattr(jax.config, "update", told.__setitem__)
    return told


def test_the_flag_says_where_and_whether(tmp_path, settings):
    compiled.use("off")
    assert settings == {"jax_enable_compilation_cache": False}
    settings.clear()
    compiled.use(str(tmp_path / "here"))
    assert settings["jax_compilation_cache_dir"].startswith(f"{tmp_path}/here/")
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=f"--compilation_cache={tmp_path}/file/x: .*cannot write"):
        compiled.use(f"{tmp_path}/file/x")


def test_a_folder_that_jax_was_told_of_stays(settings):
    assert jax.config.jax_compilation_cache_dir is not None  # of the tests
    compiled.use("auto")
    assert settings == {}
