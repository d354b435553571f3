from __future__ import annotations

import json

import jax
import numpy as np
import pytest
from absl import flags

from experiments import export as program
from pnag_jax import networks
from pnag_jax.errors import DataError, UsageError
from pnag_jax.training.checkpoints import Checkpoints

CELL = "|nor_conv_1x1~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|none~1|none~2|"
SMALL = ("--space=nb201", f"--architecture={CELL}", "--skeleton=channels=2,cells=1", "--size=8")


@pytest.fixture
def run(tmp_path):
    """A function that runs the program with flags and gives its folder."""

    def run(*arguments: str):
        values = flags.FlagValues()
        program.define_flags(values)
        values(["program", f"--out={tmp_path}/out", *arguments])
        program.main(values)
        return tmp_path / "out"

    return run


def test_files(run, tmp_path):
    out = run(*SMALL, "--formats=python,parameters")
    config = json.loads((out / "config.json").read_text())
    assert config["genotype"] == [2, 0, 1, 4, 0, 0] and config["architecture"] == CELL
    assert config["input"] == {"shape": [None, 8, 8, 3], "dtype": "float32"}
    assert "CONFIG" in (out / "network.py").read_text()
    network = networks.build("nb201", config["genotype"], 10, **config["skeleton"])
    target = jax.eval_shape(network.init, jax.random.key(0), np.zeros((1, 8, 8, 3), np.float32))
    first = Checkpoints(out / "parameters").restore(target)
    (out / "parameters").rename(tmp_path / "trained")
    run(*SMALL, "--formats=parameters", "--seed=7", f"--parameters={tmp_path}/trained")
    again = Checkpoints(out / "parameters").restore(target)
    jax.tree.map(np.testing.assert_array_equal, first.tree, again.tree)


def test_the_best_of_a_run(run, tmp_path):
    (tmp_path / "run").mkdir()
    results = tmp_path / "run" / "results.json"
    results.write_text(json.dumps({"space": "nb201", "best": [{"architecture": CELL}]}))
    out = run(f"--run={tmp_path}/run", *SMALL[2:], "--formats=python")
    assert json.loads((out / "config.json").read_text())["architecture"] == CELL
    results.write_text(json.dumps({"space": "nb201", "best": []}))
    with pytest.raises(DataError, match=r"results\.json: has no best architecture"):
        run(f"--run={tmp_path}/run")


def test_flags_that_are_not_accepted(run, tmp_path):
    for arguments, reason in {
        (): "give either --run or --architecture",
        (f"--architecture={CELL}",): "--architecture needs --space",
        ("--space=nb201", "--architecture=|x~0|"): "--architecture: nb201",
        ("--space=gnn", f"--architecture={CELL}"): "gnn",
        (*SMALL, "--formats=pdf"): "--formats=pdf: accepted are python, stablehlo",
        (*SMALL, "--skeleton=cells"): "--skeleton: 'cells'; accepted is FIELD=VALUE",
        (*SMALL, "--skeleton=depth=1"): "no field 'depth'; accepted are channels, cells",
        (*SMALL, f"--parameters={tmp_path}"): "holds no checkpoint",
        (f"--run={tmp_path}/none",): r"--run: .*results\.json: cannot read: No such file",
    }.items():
        with pytest.raises(UsageError, match=reason):
            run(*arguments)
