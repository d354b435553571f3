import errno
import json
import os
import socket

import numpy as np
import pytest

from pnag_jax.errors import DataError, UsageError, UserError
from pnag_jax.training import lock as lock_module
from pnag_jax.training.workdir import Workdir

HOST = socket.gethostname()
CONFIG = {"seed": 0, "model": {"width": 64, "scales": (3, 5)}, "log_every": 10}


def opened(path, config=CONFIG, program="experiments.nb201", may_change=()):
    return Workdir(path, program=program, config=config, may_change=may_change)


def test_the_config_is_written_once_and_the_same_config_resumes(tmp_path):
    path = tmp_path / "a" / "b"
    with opened(path) as workdir:
        assert workdir.path == path and not workdir.resumed
    text = (path / "config.json").read_text()
    assert json.loads(text) == {
        "program": "experiments.nb201",
        "config": {"seed": 0, "model": {"width": 64, "scales": [3, 5]}, "log_every": 10},
    }
    same = {"log_every": 10, "model": {"scales": [3, 5], "width": np.int64(64)}, "seed": 0}
    with opened(path, same) as workdir:
        assert workdir.resumed
    with opened(path, {**CONFIG, "log_every": 5}, may_change=["log_every"]):
        pass
    assert (path / "config.json").read_text() == text


def test_a_changed_config_is_refused_with_a_diff(tmp_path):
    opened(tmp_path).close()
    changed = {"seed": 1, "model": {"width": 128, "depth": 2}, "log_every": 5}
    with pytest.raises(UsageError) as caught:
        opened(tmp_path, changed, may_change=["log_every", "report"])
    assert caught.value.exit_code == 2
    assert str(caught.value) == (
        f"{tmp_path}/config.json: the run was started with another config:"
        " model.depth was (absent) and is 2; model.scales was [3, 5] and is (absent);"
        " model.width was 64 and is 128; seed was 0 and is 1."
        " Use another workdir or the old values (free to change: log_every, report)"
    )
    with opened(tmp_path, changed, may_change=["log_every", "model", "seed"]):
        pass  # "model" frees the whole group, and the refusal above left no lock


@pytest.mark.parametrize(
    ("name", "text", "kind", "message"),
    [
        ("config.json", '{"program": "compare", "config": {}}', UsageError, "belongs to compare"),
        ("config.json", '{"architectures": []}', UsageError, "belongs to another program"),
        ("config.json", "[1]", UsageError, "belongs to another program"),
        ("config.json", '{"program": "exp', DataError, "not JSON: damaged or truncated"),
        ("config.json", "", DataError, "not JSON: damaged or truncated"),
        ("metrics.jsonl", "", UsageError, "holds metrics.jsonl but no config.json"),
    ],
)
def test_the_folder_of_something_else_is_refused_untouched(tmp_path, name, text, kind, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(kind, match=message) as caught:
        opened(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_not_a_folder_and_no_permission(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="not a folder"):
        opened(tmp_path / "file")
    with pytest.raises(UserError, match=r"/file/x/config.json: cannot read: Not a directory"):
        opened(tmp_path / "file" / "x")

    def refuse(*args, **kwargs):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(os, "mkdir", refuse)
    with pytest.raises(UserError, match=f"{tmp_path}/new: cannot write: Read-only file system"):
        opened(tmp_path / "new")


def test_a_second_writer_is_refused_and_told_the_first(tmp_path):
    with opened(tmp_path) as workdir:
        with pytest.raises(UserError) as caught:
            opened(tmp_path)
        assert f"in use by process {os.getpid()} on host {socket.gethostname()}" in str(
            caught.value
        )
        assert f"delete {tmp_path}/.lock" in str(caught.value)
        assert (tmp_path / ".lock").exists()
    workdir.close()  # twice does nothing
    assert not (tmp_path / ".lock").exists()
    opened(tmp_path).close()


STALE = {
    "ended process": {"pid": 2**22 + 1, "host": HOST, "started": "x"},
    "reused process id": {"pid": 1, "host": HOST, "started": "other boot:1"},
    "empty": None,
    "torn": '{"pid": 1',
    "not an object": "[]",
    "nonsense": {"pid": "x", "host": HOST},
}


@pytest.mark.parametrize("holder", STALE.values(), ids=STALE)
def test_a_stale_lock_is_recovered(tmp_path, holder):
    text = holder if isinstance(holder, str) else json.dumps(holder) if holder else ""
    (tmp_path / ".lock").write_text(text)
    with opened(tmp_path):
        assert json.loads((tmp_path / ".lock").read_text())["pid"] == os.getpid()


def test_a_lock_that_cannot_be_judged_is_respected(tmp_path):
    (tmp_path / ".lock").write_text(json.dumps({"pid": 1, "host": "elsewhere", "since": "noon"}))
    with pytest.raises(UserError, match=r"process 1 on host elsewhere since noon .*\.lock"):
        opened(tmp_path)
    # Same host, alive, same start: only seen where flock does not work.
    alive = {"pid": 1, "host": HOST, "started": lock_module._start_time(1)}
    (tmp_path / ".lock").write_text(json.dumps(alive))
    with pytest.raises(UserError, match="process 1 on host"):
        opened(tmp_path)


def test_no_path_leads_out_of_the_folder(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    with opened(tmp_path / "w") as workdir:
        (workdir.path / "link").symlink_to(outside)
        (workdir.path / "file.json").symlink_to(outside / "file.json")
        for name in ("../x", "/etc/passwd", "link/x", "link", "file.json", ".", "a/../../x"):
            with pytest.raises(UsageError, match="leads out of the workdir"):
                workdir.write_text(name, "text")
        assert list(outside.iterdir()) == []
        workdir.write_json("reports/a.json", {"x": np.float32(0.1), "y": float("inf")})
        assert workdir.read_json("reports/a.json") == {"x": 0.1, "y": None}
        assert workdir.read_json("none.json") is None
        (workdir.path / "torn.json").write_text("{")
        with pytest.raises(DataError, match=r"torn.json: not JSON"):
            workdir.read_json("torn.json")


def test_a_link_to_the_workdir_itself_is_fine(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with opened(tmp_path / "link") as workdir:
        assert workdir.path == tmp_path / "real"
        workdir.write_text("a", "text")
