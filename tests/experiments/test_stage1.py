"""Training of a generator in a folder: done once, on any devices, from its own files."""

from __future__ import annotations

import json
import shutil

import jax
import numpy as np
import pytest

from configs import gnn
from experiments import phases, stage1
from pnag_jax import spaces
from pnag_jax.errors import DataError, UsageError
from pnag_jax.generation import generate
from pnag_jax.training.interrupts import Interrupt, Interrupted
from pnag_jax.training.workdir import Workdir

SPACE = spaces.get("gnn")
EPOCHS, BATCH = 2, 64


def config(**train):
    small = gnn.get_config("tiny")
    small.data.count = 400
    small.model.update(channels=4, num_codes=8, width=16, hidden=16)
    small.train.update({"epochs": EPOCHS, "batch_size": BATCH, "save_every_epochs": 1, **train})
    small.counts.update(max_parents=1, polish_steps=0)
    return small


def train(folder, seed=0, **options):
    changed = options.pop("config", None) or config()
    key = jax.random.key(seed)
    return stage1.train(changed, SPACE, workdir_path=folder, key=key, **options)


@pytest.fixture(scope="module")
def by_pmap(tmp_path_factory):
    """A folder and what was trained in it, on eight devices."""
    assert jax.local_device_count() == 8
    folder = tmp_path_factory.mktemp("pmap")
    return folder, train(folder, strategy="pmap")


def copied(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


def test_pmap_and_mesh_agree(by_pmap, tmp_path):
    _, first = by_pmap
    second = train(tmp_path, strategy="mesh")
    # Not the parameters themselves: normalization takes away the effect of the
    # encoder's last bias, whose steps are Adam's of pure rounding.
    maps = [
        stage1._measure(trained.variables, trained.data.held_out, model=trained.model)[1]
        for trained in (first, second)
    ]
    np.testing.assert_allclose(maps[0], maps[1], atol=0.02)
    assert float(np.std(maps[0])) > 0.5
    assert first.summary["loss"] == pytest.approx(second.summary["loss"], rel=1e-3)


def test_the_summary_is_of_the_whole_training(by_pmap):
    _, trained = by_pmap
    assert trained.summary["steps"] == EPOCHS * (360 // BATCH)
    assert (trained.summary["trained_on"], trained.summary["held_out"]) == (360, 40)
    assert trained.summary["seconds"] > 0
    assert 0 < trained.summary["codebook_use"] <= 1
    assert 1 <= trained.summary["codebook_perplexity"] <= 8


def test_evaluate_measures_the_held_out_part_by_hand(by_pmap):
    _, trained = by_pmap
    model, variables, data, summary = trained
    exact, e, partials = stage1._measure(variables, data.held_out, model=model)
    assert summary["reconstruction_per_scale"] == pytest.approx(exact.mean(axis=1).tolist())
    flat = np.asarray(e, np.float64).reshape(40, -1)
    variance = ((flat - flat.mean(0)) ** 2).sum(1).mean()
    for measured, partial in zip(summary["v_per_scale"], partials, strict=True):
        left = ((flat - np.asarray(partial).reshape(40, -1)) ** 2).sum(1).mean()
        assert measured == pytest.approx(left / variance, rel=1e-4)


def test_a_finished_training_is_read_not_repeated(by_pmap, monkeypatch):
    folder, first = by_pmap
    written = (folder / "metrics.jsonl").stat().st_mtime_ns
    monkeypatch.setattr(stage1, "evaluate", None)
    again = train(folder, strategy="pmap")
    assert again.summary == first.summary
    jax.tree.map(np.testing.assert_array_equal, again.variables, first.variables)
    assert (folder / "metrics.jsonl").stat().st_mtime_ns == written


def test_the_generator_is_the_same_every_time(by_pmap):
    _, trained = by_pmap
    built = [stage1.build(jax.random.key(0), config(), trained) for _ in range(2)]
    drawn = [np.asarray(generate(jax.random.key(1), generator, 8)) for generator in built]
    np.testing.assert_array_equal(*drawn)


def test_another_key_or_config_is_refused(by_pmap):
    folder, _ = by_pmap
    with pytest.raises(UsageError, match="made with another seed"):
        train(folder, seed=1, strategy="pmap")
    with pytest.raises(UsageError, match=r"train\.epochs was 2 and is 3"):
        train(folder, config=config(epochs=3), strategy="pmap")
    with pytest.raises(UsageError, match='strategy was "pmap" and is "mesh"'):
        train(folder, strategy="mesh")


def test_a_batch_that_the_devices_do_not_divide_is_refused(tmp_path):
    with pytest.raises(UsageError, match="batch_size = 60; accepted are multiples of the 8"):
        train(tmp_path, config=config(batch_size=60))
    with pytest.raises(UsageError, match="batch_size = 400; accepted are numbers from 1 to 360"):
        train(tmp_path, config=config(batch_size=400))
    assert not list(tmp_path.iterdir())


def test_a_flipped_bit_is_found_and_an_older_step_used(by_pmap, tmp_path, caplog):
    folder, first = by_pmap
    folder = copied(folder, tmp_path)
    newest = folder / "checkpoints" / "train" / str(first.summary["steps"])
    damaged = max(newest.rglob("*"), key=lambda path: path.stat().st_size * path.is_file())
    raw = bytearray(damaged.read_bytes())
    raw[len(raw) // 2] ^= 1
    damaged.write_bytes(raw)
    with pytest.raises(DataError, match=damaged.name):
        train(folder, strategy="pmap", strict_resume=True)
    again = train(folder, strategy="pmap")
    assert str(damaged) in caplog.text
    jax.tree.map(np.testing.assert_array_equal, again.variables, first.variables)
    assert (folder / "metrics.jsonl").read_bytes() == (by_pmap[0] / "metrics.jsonl").read_bytes()


def test_a_signal_ends_training_after_a_save(by_pmap, tmp_path):
    interrupt = Interrupt()
    interrupt.signum = 15
    with pytest.raises(Interrupted, match="step 5 is saved"):
        train(tmp_path, strategy="pmap", interrupt=interrupt)
    again = train(tmp_path, strategy="pmap")
    jax.tree.map(np.testing.assert_array_equal, again.variables, by_pmap[1].variables)


def test_a_damaged_result_is_named(tmp_path):
    phase = phases.Phase(tmp_path, "search", {"budget": 3})
    assert phase.result is None
    assert phase.finish({"best": np.float32(0.1)}) == {"best": 0.1}
    with Workdir(tmp_path / "other", program="p", config={}) as other:
        assert phases.result(other, "search") is None
    with pytest.raises(UsageError, match="budget was 3 and is 4"):
        phases.Phase(tmp_path, "search", {"budget": 4})
    path = tmp_path / "phases" / "search" / "result.json"
    assert json.loads(path.read_text()) == {"best": 0.1}
    path.write_text("{")
    with pytest.raises(DataError, match=r"result\.json"):
        _ = phases.Phase(tmp_path, "search", {"budget": 3}).result
