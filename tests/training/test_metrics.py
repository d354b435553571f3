import json
import os

import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax.errors import DataError, UserError
from pnag_jax.training import metrics, tensorboard
from pnag_jax.training.metrics import MetricsWriter


def log(folder, steps, **values):
    with MetricsWriter(folder) as writer:
        for step in steps:
            writer.write(step, {"loss": np.float32(step) / 10, **values}, {"seconds": 1.5})


def test_lines_have_a_stable_form(tmp_path):
    with MetricsWriter(tmp_path) as writer:
        values = {
            "z": 1,
            "loss": jnp.float32(0.1),
            "phase": "search",
            "per_scale": np.array([1, 0.5], np.float32),
            "none": None,
            "bad": np.nan,
        }
        writer.write(np.int32(3), values, {"seconds": 2.0})
        writer.write(4, {}, {"seconds": 1.0})
    assert (tmp_path / "metrics.jsonl").read_text() == (
        '{"step": 3, "bad": null, "loss": 0.1, "none": null, "per_scale": [1.0, 0.5],'
        ' "phase": "search", "z": 1}\n'
    )
    assert metrics.read(tmp_path / "timings.jsonl") == [
        {"step": 3, "seconds": 2.0},
        {"step": 4, "seconds": 1.0},
    ]
    got = {
        (step, tag): value
        for step, tag, value in tensorboard.read_scalars(tmp_path / "tensorboard")
    }
    assert got[3, "loss"] == np.float32(0.1) and got[3, "per_scale/1"] == 0.5
    assert got[4, "time/seconds"] == 1.0
    assert np.isnan(got[3, "bad"])
    assert not {tag for _, tag in got} & {"phase", "none"}


def test_truncate_drops_later_steps_everywhere_and_writing_goes_on(tmp_path):
    log(tmp_path, range(1, 8))
    log(tmp_path, range(8, 11))  # a second life, a second event file
    with MetricsWriter(tmp_path) as writer:
        writer.write(99, {"loss": 0.0})  # not flushed: dropped as well
        writer.truncate(5)
        writer.write(6, {"loss": 1.0})
    assert [line["step"] for line in metrics.read(tmp_path / "metrics.jsonl")] == [1, 2, 3, 4, 5, 6]
    assert [line["step"] for line in metrics.read(tmp_path / "timings.jsonl")] == [1, 2, 3, 4, 5]
    points = tensorboard.read_scalars(tmp_path / "tensorboard")
    assert [p for p in points if p[1] == "loss"] == [
        *((step, "loss", pytest.approx(step / 10)) for step in range(1, 6)),
        (6, "loss", 1.0),
    ]


def test_every_torn_end_is_dropped(tmp_path):
    log(tmp_path, [1, 2, 3])
    lines = (tmp_path / "metrics.jsonl").read_bytes()
    (events,) = tensorboard.event_files(tmp_path / "tensorboard")
    records = events.read_bytes()
    third = lines.rindex(b"\n", 0, -1) + 1
    for cut in range(third, len(lines)):
        (tmp_path / "metrics.jsonl").write_bytes(lines[:cut])
        assert [line["step"] for line in metrics.read(tmp_path / "metrics.jsonl")] == [1, 2]
        MetricsWriter(tmp_path).close()
        assert (tmp_path / "metrics.jsonl").read_bytes() == lines[:third]
    whole = len(tensorboard.read_scalars(tmp_path / "tensorboard"))
    for cut in range(len(records) - 30, len(records)):
        events.write_bytes(records[:cut])
        with MetricsWriter(tmp_path) as writer:
            writer.truncate(3)
        assert len(tensorboard.read_scalars(tmp_path / "tensorboard")) == whole - 1
        size = events.stat().st_size
        events.write_bytes(records[:size] + b"\0" * 40)  # what a power cut leaves
        assert len(tensorboard.read_scalars(tmp_path / "tensorboard")) == whole - 1


@pytest.mark.parametrize("bad", [b"{", b"[1]", b'{"loss": 1}', b'{"step": "1"}', b"\xff"])
def test_damage_before_the_end_is_an_error_that_names_the_line(tmp_path, bad):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"step": 1}\n' + bad + b'\n{"step": 3}\n')
    for read in (lambda: metrics.read(path), lambda: MetricsWriter(tmp_path)):
        with pytest.raises(DataError, match=f"{path}: line 2 is damaged"):
            read()


def test_a_full_disk_names_path_and_reason(tmp_path):
    writer = MetricsWriter(tmp_path, tensorboard=False)
    writer.write(1, {"loss": 1.0})
    os.symlink("/dev/full", tmp_path / "metrics.jsonl")  # nor is a link followed
    with pytest.raises(UserError, match=r"metrics.jsonl: cannot write: "):
        writer.flush()


def test_a_torn_write_is_continued(tmp_path, monkeypatch):
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:7]))
    log(tmp_path, [1, 2])
    assert [line["step"] for line in metrics.read(tmp_path / "metrics.jsonl")] == [1, 2]


def test_no_file_is_no_line(tmp_path):
    assert metrics.read(tmp_path / "none.jsonl") == []


def test_without_tensorboard(tmp_path):
    with MetricsWriter(tmp_path, tensorboard=False) as writer:
        writer.write(1, {"loss": 1.0})
        writer.flush(durable=True)
        writer.truncate(0)
    assert json.loads((tmp_path / "metrics.jsonl").read_text() or "null") is None
    assert not (tmp_path / "tensorboard").exists()
