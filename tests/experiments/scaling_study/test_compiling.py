"""The TPU compiler on a program of a few lines; skipped where libtpu is missing."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys

import pytest

from experiments.scaling_study import topology

# The devices of a slice live in a process of their own: what libtpu loads stays loaded.
PROGRAM = """
import json, jax, jax.numpy as jnp
from experiments.scaling_study import cells, compiling, placing, topology
from experiments.bench.programs import Training

found = topology.parse("v5e:2x2")
devices = topology.devices(found)
assert len(topology.devices(cells.one_chip(found))) == 1

def step(state, batch, key, axis_name):
    gradient = jax.grad(lambda w: jnp.mean(jnp.square(batch @ w)))(state)
    if axis_name is not None:
        gradient = jax.lax.pmean(gradient, axis_name)
    return state - gradient, {"norm": jnp.sum(gradient**2)}

import numpy as np
training = Training(
    step, lambda key: jax.random.normal(key, (512, 256)), lambda n: np.zeros((n, 512), np.float32)
)
print(json.dumps([
    compiling.examine(placing.lower_step(training, strategy, devices, 128), found)
    for strategy in ("pmap", "mesh")
]))
"""


@pytest.mark.skipif(
    importlib.util.find_spec("libtpu") is None,
    reason="libtpu is not installed: nothing compiles for TPUs",
)
def test_a_step_compiled_for_four_chips_sums_its_gradient_over_them():
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        env={**os.environ, **topology.ENVIRONMENT},
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    for found in json.loads(ended.stdout.splitlines()[-1]):
        assert found["fits"] and found["memory"]["total"] > 512 * 256 * 4
        # Forward, and the gradient of the weights alone: 2 x 2 x 128 x 512 x 256.
        assert found["flops"] == pytest.approx(2 * 2 * 128 * 512 * 256, rel=0.05)
        sums = [c for c in found["collectives"] if c["kind"] == "all-reduce"]
        assert sum(c["bytes"] for c in sums) == pytest.approx(512 * 256 * 4, rel=0.01)
        assert {c["group"] for c in sums} == {4}
