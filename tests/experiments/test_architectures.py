"""Reading and drawing the architectures that a program is asked for."""

from __future__ import annotations

import json

import jax
import numpy as np
import pytest

from experiments import architectures
from pnag_jax import spaces
from pnag_jax.errors import DataError, UsageError, UserError
from pnag_jax.training.interrupts import Interrupt
from pnag_jax.training.progress import Progress

SPACE = spaces.get("macro")


def test_strings_and_files_are_read_each_once(tmp_path):
    genotypes = [[0, 1, 2, 0, 1, 2, 0, 1], [2] * 8]
    first, second = (SPACE.to_string(np.array(g)) for g in genotypes)
    found = architectures.read(f"{first}; {second};{first}", SPACE)
    assert found.kind == "given" and found.genotypes.tolist() == genotypes
    path = tmp_path / "archs.txt"
    path.write_text(f"{first}\n\n{json.dumps({'architecture': second})}\n")
    found = architectures.read(str(path), SPACE)
    assert found.genotypes.tolist() == genotypes


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("random:0", UsageError, "must be from 1 to"),
        ("generated:many", UsageError, "must be from 1 to"),
        ("randm", UsageError, "accepted are generated:N, random:N, transfer:N, all"),
        ("00000003", UsageError, "is not 8 digits"),
        ("", DataError, "holds no architecture"),
        ("|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|none~2|", UsageError, "macro: "),
    ],
)
def test_what_is_not_accepted_is_one_clear_line(text, error, message):
    with pytest.raises(error, match=message) as caught:
        architectures.read(text, SPACE)
    assert "\n" not in str(caught.value)


def test_a_bad_line_of_a_file_is_named(tmp_path):
    path = tmp_path / "archs.txt"
    path.write_text("00000000\n0000000\n")
    with pytest.raises(UsageError, match=r"archs.txt: line 2: macro: '0000000' is not"):
        architectures.read(str(path), SPACE)
    path.write_text('{"genotype": 1}')
    with pytest.raises(DataError, match="line 1: is no JSON object with an architecture"):
        architectures.read(str(path), SPACE)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="cannot be read"):
        architectures.read(str(path), SPACE)


def test_an_architecture_that_computes_nothing_is_refused():
    with pytest.raises(UsageError, match="is not a valid architecture of nb201"):
        architectures.read("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|", spaces.get("nb201"))


def test_draws_are_distinct_and_all_means_one_of_each_class():
    key = jax.random.key(0)
    drawn = architectures.make(architectures.read("random:50", SPACE), SPACE, key=key)
    assert drawn.shape == (50, 8) and len(np.unique(drawn, axis=0)) == 50
    again = architectures.make(architectures.read("random:50", SPACE), SPACE, key=key)
    np.testing.assert_array_equal(drawn, again)
    every = architectures.make(architectures.read("all", SPACE), SPACE, key=key)
    assert len(every) == 3969
    with pytest.raises(UsageError, match="only 6561 distinct ones"):
        architectures.make(architectures.read("random:6562", SPACE), SPACE, key=key)


def test_a_folder_without_a_generator_is_refused(tmp_path):
    def ask():
        architectures.generator(
            SPACE,
            config=None,
            generator_workdir=str(tmp_path),
            workdir_path=tmp_path,
            seed=0,
            interrupt=Interrupt(),
            progress=Progress(quiet=True),
        )

    with pytest.raises(UsageError, match=r"holds no run of experiments.macro"):
        ask()
    (tmp_path / "config.json").write_text(
        json.dumps({"program": "experiments.macro", "config": {"seed": 0}})
    )
    with pytest.raises(UserError, match="holds no finished training"):
        ask()
