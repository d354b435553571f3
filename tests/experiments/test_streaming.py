"""Streams with files: rated, resumed, and what is refused."""

from __future__ import annotations

import json

import jax
import numpy as np
import pytest

from experiments import stream, streaming
from pnag_jax import generation, spaces
from pnag_jax.errors import DataError, UsageError
from pnag_jax.models import stage1
from pnag_jax.models.stage1 import Stage1
from pnag_jax.training.interrupts import Interrupt, Interrupted
from pnag_jax.training.workdir import Workdir


@pytest.fixture(scope="module")
def generator():
    """Counts of random codes: what it draws does not matter here."""
    space = spaces.get("macro")
    model = Stage1(space=space, channels=4, num_codes=8, width=8, hidden=8, schedule="geometric")
    variables = stage1.init(jax.random.key(0), model)
    genotypes = np.asarray(space.sample(jax.random.key(1), 128))
    return generation.build(
        jax.random.key(2), model, variables, genotypes, max_parents=1, polish_steps=0
    )


def run(folder, generator, count, interrupt=None):
    space = generator.model.space
    rating = streaming.rating(
        jax.random.key(0), space, "params", task_name=None, labels=8, benchmark_dir=None
    )
    with Workdir(folder, program="stream", config={}) as workdir:
        return streaming.run(
            workdir,
            jax.random.key(3),
            generator,
            rating,
            count=count,
            most=5,
            size=16,
            memory=10**5,
            save_seconds=0,
            interrupt=interrupt or Interrupt(),
        )


def test_a_stream_that_was_stopped_goes_on_as_if_unbroken(tmp_path, generator):
    whole = run(tmp_path / "whole", generator, 500)
    stopped = Interrupt()
    stopped.signum = 15
    with pytest.raises(Interrupted, match="128 architectures are saved"):
        run(tmp_path / "broken", generator, 500, stopped)  # 16 on each of 8 devices
    resumed = run(tmp_path / "broken", generator, 500)
    names = ("generated", "distinct", "exact", "best", "refused")
    assert [whole[name] for name in names] == [resumed[name] for name in names]
    assert whole["generated"] == 500 and whole["exact"]
    tops = [(tmp_path / name / "top.jsonl").read_text() for name in ("whole", "broken")]
    assert tops[0] == tops[1]
    lines = [json.loads(line) for line in tops[0].splitlines()]
    assert [line["rank"] for line in lines] == [1, 2, 3, 4, 5]
    space = generator.model.space
    params = [float(space.params(space.from_string(line["architecture"]))) for line in lines]
    assert params == sorted(params) == [-line["score"] for line in lines]
    assert "500 architectures of macro" in streaming.as_text(resumed)

    again = run(tmp_path / "whole", generator, 500)
    assert again["rate"] is None and again["distinct"] == whole["distinct"]


def test_a_damaged_state_is_data_and_not_a_traceback(tmp_path, generator):
    (tmp_path / "stream.npz").write_bytes(b"PK\x03\x04 half of it")
    with pytest.raises(DataError, match=r"stream\.npz: damaged"):
        run(tmp_path, generator, 10)


def test_room_is_what_memory_allows_or_all_there_are():
    # 2^20 slots of 8 bytes, of which four fifths are used.
    assert streaming.capacity_of(spaces.get("mnasnet"), 2**23) == int(0.8 * 2**20 * 0.99)
    assert streaming.capacity_of(spaces.get("macro"), 2**30) == 3**8


def test_without_a_table_costs_are_named(tmp_path):
    with pytest.raises(UsageError, match=r"--quality=task: .*--quality=params or flops"):
        streaming.rating(
            jax.random.key(0),
            spaces.get("mnasnet"),
            "task",
            task_name=None,
            labels=8,
            benchmark_dir=str(tmp_path),
        )


@pytest.mark.parametrize("word", ["0", "-1", "1.5", "many", "nan", "1e99"])
def test_a_count_is_a_whole_number(word):
    with pytest.raises(UsageError, match=f"--count={word}: accepted are whole numbers"):
        stream.whole("count", word)
