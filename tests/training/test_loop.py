import errno
import hashlib
import os
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toy

from pnag_jax.errors import DataError, UsageError, UserError
from pnag_jax.training import metrics as metrics_module
from pnag_jax.training import startup, tensorboard
from pnag_jax.training.checkpoints import Checkpoints
from pnag_jax.training.interrupts import Interrupt, Interrupted
from pnag_jax.training.loop import fit
from pnag_jax.training.metrics import MetricsWriter
from pnag_jax.training.tensorboard import read_scalars


@pytest.fixture(scope="module")
def epoch():
    return toy.make_epoch("mesh", 1)


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch):
    """Durability against a power cut is not what these tests can see."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def run(epoch, folder, num_epochs=4, *, seed=1, keep=2, data=None, state=None, **settings):
    folder.mkdir(exist_ok=True)
    with MetricsWriter(folder) as metrics:
        return fit(
            epoch,
            toy.make_state() if state is None else state,
            toy.make_data() if data is None else data,
            key=jax.random.key(seed),
            num_epochs=num_epochs,
            checkpoints=Checkpoints(folder / "checkpoints", keep=keep),
            metrics=metrics,
            **{"log_every": 1, **settings},
        )


def leaves(state):
    raw = state.replace(extra={**state.extra, "key": jax.random.key_data(state.extra["key"])})
    return [np.asarray(x) for x in jax.tree.leaves(raw)]


def assert_same_files(folder, other):
    """Same metrics, same newest checkpoint, bit for bit; every step logged once everywhere."""
    text = (folder / "metrics.jsonl").read_bytes()
    assert text == (other / "metrics.jsonl").read_bytes()
    for name in ("metrics.jsonl", "timings.jsonl"):
        steps = [line["step"] for line in metrics_module.read(folder / name)]
        assert steps == sorted(set(steps))
    points = [(step, tag) for step, tag, _ in read_scalars(folder / "tensorboard")]
    assert len(points) == len(set(points))
    assert points == sorted(points, key=lambda point: point[0])
    wanted = {(step, tag) for step, tag, _ in read_scalars(other / "tensorboard")}
    assert set(points) == wanted
    target = jax.eval_shape(lambda: {"key": jax.random.key(0), "state": toy.make_state()})
    a, b = (Checkpoints(f / "checkpoints").restore(target) for f in (folder, other))
    assert a.step == b.step
    for x, y in zip(leaves(a.tree["state"]), leaves(b.tree["state"]), strict=True):
        assert x.tobytes() == y.tobytes()


@pytest.fixture(scope="module")
def unbroken(epoch, tmp_path_factory):
    """R: the files of a run of 4 epochs, 16 steps, that nothing interrupted."""
    folder = tmp_path_factory.mktemp("unbroken")
    state = run(epoch, folder)
    assert int(state.step) == 16
    return folder


def test_logs_every_step_once_and_learns(unbroken):
    lines = metrics_module.read(unbroken / "metrics.jsonl")
    assert [line["step"] for line in lines] == list(range(1, 17))
    assert list(lines[0]) == ["step", "gradient_norm", "loss"]
    assert lines[-1]["loss"] < lines[0]["loss"]
    timings = metrics_module.read(unbroken / "timings.jsonl")
    assert [line["step"] for line in timings] == [4, 8, 12, 16]
    assert all(line["seconds"] > 0 for line in timings)
    # From the start of this process on, whose first epoch it was.
    assert len({line["start_seconds"] for line in timings}) == 1
    assert 0 < timings[0]["start_seconds"] < startup.seconds_since_start()
    assert Checkpoints(unbroken / "checkpoints").steps() == [12, 16]


def test_a_trace_of_some_steps_changes_nothing(epoch, unbroken, tmp_path):
    run(epoch, tmp_path / "run", profile=tmp_path / "trace")
    assert_same_files(tmp_path / "run", unbroken)
    (trace,) = (tmp_path / "trace").rglob("*.xplane.pb")
    assert trace.stat().st_size > 0


def test_same_seed_same_bytes_other_seed_other_bytes(epoch, unbroken, tmp_path):
    run(epoch, tmp_path / "again")
    assert_same_files(tmp_path / "again", unbroken)
    run(epoch, tmp_path / "other", seed=2)
    text = (tmp_path / "other/metrics.jsonl").read_bytes()
    assert text != (unbroken / "metrics.jsonl").read_bytes()


@pytest.mark.parametrize("save_every", [1, 3])
def test_a_signal_at_any_epoch_saves_once_and_the_rerun_equals_the_unbroken_run(
    epoch, unbroken, tmp_path, save_every
):
    for stop in (4, 8, 12, 16):
        interrupt = Interrupt()

        def signal(done, state, interrupt=interrupt, stop=stop):
            if done == stop:
                interrupt.signum = 15

        settings = {"on_epoch": signal, "interrupt": interrupt, "save_every_epochs": save_every}
        with pytest.raises(Interrupted, match=f"SIGTERM: step {stop} is saved") as caught:
            run(epoch, tmp_path, **settings)
        assert caught.value.exit_code == 143
        assert Checkpoints(tmp_path / "checkpoints").steps()[-1] == stop
    assert_same_files(tmp_path, unbroken)


def test_a_finished_run_returns_at_once(epoch, unbroken, tmp_path, monkeypatch):
    folder = shutil.copytree(unbroken, tmp_path / "copy")
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    monkeypatch.setattr(epoch, "run", lambda *a: pytest.fail("a finished run trains"))
    state = run(epoch, folder)
    assert int(state.step) == 16
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before
    assert all(isinstance(x, jax.Array) for x in jax.tree.leaves(state))


def fingerprint(folder):
    names = sorted(p for p in folder.rglob("*"))
    found = [(str(p), p.read_bytes() if p.is_file() else b"") for p in names]
    return hashlib.sha256(repr(found).encode()).digest()


def test_a_kill_at_every_point_of_a_save_and_of_the_log(epoch, unbroken, tmp_path, monkeypatch):
    """Copies the folder before each change of the disk: all that a kill can leave behind."""
    folder, copies, seen = tmp_path / "run", [], set()
    run(epoch, folder, 3)
    last_step = iter(range(1000))

    def before(name):
        real = getattr(os, name)

        def call(*args, **kwargs):
            mark = fingerprint(folder)
            if mark not in seen:
                seen.add(mark)
                copies.append(shutil.copytree(folder, tmp_path / f"kill{next(last_step)}"))
            return real(*args, **kwargs)

        return call

    with monkeypatch.context() as patch:
        for name in ("write", "fsync", "rename", "replace", "unlink", "mkdir", "rmdir"):
            patch.setattr(os, name, before(name))
        run(epoch, folder, 4, keep=1)
    assert len(copies) >= 15
    assert any((copy / "checkpoints/16.tmp/manifest.json").exists() for copy in copies)
    for copy in copies:
        # keep=1 deletes all other steps: only the newest counts.
        run(epoch, copy, 4, keep=1)
        assert_same_files(copy, unbroken)
        assert [p.name for p in (copy / "checkpoints").iterdir()] == ["16"]


def test_torn_and_surplus_logs_are_cut_back(epoch, unbroken, tmp_path):
    folder = tmp_path / "run"
    run(epoch, folder, 2)
    with open(folder / "metrics.jsonl", "a") as file:
        file.write('{"step": 9, "loss": 1.0}\n{"step": 10, "lo')
    (events,) = (folder / "tensorboard").iterdir()
    with open(events, "ab") as file:
        file.write(events.read_bytes()[:37])
    run(epoch, folder, 4)
    assert_same_files(folder, unbroken)


def test_a_damaged_newest_checkpoint_costs_an_epoch_and_no_bit(epoch, unbroken, tmp_path, caplog):
    folder = tmp_path / "run"
    run(epoch, folder, 3)
    damaged = folder / "checkpoints/12/arrays/manifest.ocdbt"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    with pytest.raises(DataError, match=str(damaged)):
        run(epoch, folder, 4, strict_resume=True)
    run(epoch, folder, 4)
    assert f"{damaged}: " in caplog.text and "step 8 is used instead" in caplog.text
    assert_same_files(folder, unbroken)


def test_resumes_on_other_devices_within_tolerance(epoch, unbroken, tmp_path):
    run(epoch, tmp_path, 1)
    run(toy.make_epoch("pmap", 8), tmp_path, 3)
    run(epoch, tmp_path, 4)
    got, want = (metrics_module.read(f / "metrics.jsonl") for f in (tmp_path, unbroken))
    assert [line["step"] for line in got] == [line["step"] for line in want]
    np.testing.assert_allclose(
        [line["loss"] for line in got], [line["loss"] for line in want], rtol=1e-5
    )


def test_nan_names_the_first_bad_step_and_keeps_the_good_checkpoint(epoch, unbroken, tmp_path):
    run(epoch, tmp_path, 1)
    # Epoch 1 draws this example in its third batch.
    epoch_key = jax.random.fold_in(jax.random.key(1), 1)
    order = jax.random.permutation(jax.random.fold_in(epoch_key, np.uint32(2**32 - 1)), 64)
    data = toy.make_data()
    data["y"][int(order[2 * 16 + 5])] = np.nan
    with pytest.raises(UserError) as caught:
        run(epoch, tmp_path, data=data)
    assert str(caught.value) == (
        "step 7: gradient_norm is NaN (epoch 1); step 4 is the newest checkpoint in"
        f" {tmp_path / 'checkpoints'}"
    )
    assert [line["step"] for line in metrics_module.read(tmp_path / "metrics.jsonl")][-1] == 6
    assert Checkpoints(tmp_path / "checkpoints").steps() == [4]
    run(epoch, tmp_path)
    assert_same_files(tmp_path, unbroken)


def test_inf_in_the_state_alone_is_not_saved(epoch, tmp_path):
    state = toy.make_state()
    state = state.replace(extra={**state.extra, "mean": jnp.full(3, jnp.inf)})
    with pytest.raises(UserError, match=r"step 4 is not saved: .*\.extra\['mean'\] holds Inf"):
        run(epoch, tmp_path, state=state)
    assert Checkpoints(tmp_path / "checkpoints").steps() == []
    done = run(epoch, tmp_path, state=state, require_finite=lambda name: "mean" not in name)
    assert int(done.step) == 16


@pytest.mark.parametrize("name", ["metrics.jsonl", "timings.jsonl", "tensorboard"])
def test_a_full_disk_ends_the_run_and_a_rerun_goes_on(epoch, unbroken, tmp_path, name, monkeypatch):
    run(epoch, tmp_path, 2)
    real = os.open

    def refuse(path, *args, **kwargs):
        if name in str(path):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(path, *args, **kwargs)

    with monkeypatch.context() as patch:
        if name == "tensorboard":
            patch.setattr(tensorboard, "RecordWriter", refuse)
        patch.setattr(os, "open", refuse)
        with pytest.raises(UserError) as caught:
            run(epoch, tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / name}")
    assert str(caught.value).endswith(": cannot write: No space left on device")
    assert Checkpoints(tmp_path / "checkpoints").steps() == [4, 8]
    run(epoch, tmp_path)
    assert_same_files(tmp_path, unbroken)


def test_nan_from_on_epoch_is_a_fault_too(epoch, tmp_path):
    with pytest.raises(UserError, match="step 4: accuracy is NaN"):
        run(epoch, tmp_path, on_epoch=lambda done, state: {"accuracy": np.nan})


def test_lines_every_k_steps_and_an_epoch(epoch, unbroken, tmp_path):
    every = metrics_module.read(unbroken / "metrics.jsonl")
    run(epoch, tmp_path / "a", log_every=3)
    got = metrics_module.read(tmp_path / "a/metrics.jsonl")
    assert got == [line for line in every if line["step"] % 3 == 0]

    def on_epoch(done, state):
        return {"valid": {"share": done / 16}} if done % 8 == 0 else None

    run(epoch, tmp_path / "b", log_every=None, on_epoch=on_epoch)
    got = metrics_module.read(tmp_path / "b/metrics.jsonl")
    assert [line["step"] for line in got] == [4, 8, 12, 16]
    losses = np.reshape([line["loss"] for line in every], (4, 4))
    np.testing.assert_allclose([line["loss"] for line in got], losses.mean(1), rtol=1e-6)
    assert got[1]["valid"] == {"share": 0.5} and "valid" not in got[0]


def test_a_run_of_another_seed_or_epoch_length_is_refused(epoch, unbroken, tmp_path):
    folder = shutil.copytree(unbroken, tmp_path / "copy")
    with pytest.raises(UsageError, match="step 16 was made with another seed"):
        run(epoch, folder, 5, seed=2)
    other = toy.parallel.make_epoch(
        toy.step, batch_size=16, steps_per_epoch=3, devices=jax.local_devices()[:1]
    )
    with pytest.raises(UsageError, match="step 16 is not the end of an epoch of steps_per_epoch=3"):
        run(other, folder, 8)
    assert int(run(epoch, folder, 5).step) == 20  # more epochs of the same are welcome


@pytest.mark.parametrize("name", ["num_epochs", "save_every_epochs", "log_every"])
def test_counts_below_one_are_refused(epoch, tmp_path, name):
    with pytest.raises(UsageError, match=f"{name}=0: must be at least 1"):
        run(epoch, tmp_path, **{name: 0})
