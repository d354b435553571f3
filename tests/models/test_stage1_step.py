"""The training step of stage 1: on one device as on eight, and that it learns."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax import losses, spaces
from pnag_jax.models import stage1, stage1_step
from pnag_jax.models.stage1 import Stage1
from pnag_jax.training import parallel

NB201 = spaces.get("nb201")
SMALL = {"channels": 4, "num_codes": 8, "width": 8, "hidden": 16, "schedule": "geometric"}


def trained(
    model: Stage1,
    *,
    strategy: str = "mesh",
    num_devices: int = 1,
    num_steps: int = 20,
    learning_rate: float = 1e-3,
):
    """The state after one epoch, and the metrics of its steps."""
    optimizer = stage1_step.make_optimizer(learning_rate=learning_rate, num_steps=num_steps)
    epoch = parallel.make_epoch(
        stage1_step.make_step(model, optimizer),
        batch_size=64,
        steps_per_epoch=num_steps,
        strategy=strategy,
        devices=jax.devices()[:num_devices],
    )
    state = epoch.place(stage1_step.create_state(jax.random.key(0), model, optimizer))
    data = epoch.place_data(model.space.sample(jax.random.key(1), 64 * num_steps))
    state, metrics = epoch.run(state, data, jax.random.key(2), 0)
    return epoch.fetch(state), jax.device_get(metrics)


@pytest.fixture(scope="module")
def longer():
    model = Stage1(space=NB201, num_codes=32, schedule="geometric")
    return model, *trained(model, num_steps=200)


@pytest.mark.parametrize("strategy", ["pmap", "mesh"])
def test_eight_devices_train_what_one_device_trains(strategy, one_device):
    model, expected, expected_metrics = one_device
    state, metrics = trained(model, strategy=strategy, num_devices=8)
    for name, values in expected_metrics.items():
        np.testing.assert_allclose(metrics[name], values, rtol=1e-4, atol=1e-5, err_msg=name)
    np.testing.assert_allclose(
        state.extra.codebook.codebook, expected.extra.codebook.codebook, rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(
        state.extra.codebook.counts, expected.extra.codebook.counts, rtol=1e-5
    )
    assert state.step == expected.step == 20


@pytest.fixture(scope="module")
def one_device():
    # Codes die at once below a count of 2, so that revival is in it too.
    model = Stage1(space=NB201, **SMALL, learned_phi=True, dead_below=2.0)
    return model, *trained(model, learning_rate=1e-3)


def test_one_step_moves_everything_that_is_trained(one_device):
    model, state, metrics = one_device
    before = stage1.init(jax.random.key(0), model)
    after = stage1_step.variables(state)
    moved = jax.tree.map(lambda a, b: bool(np.any(np.asarray(a) != np.asarray(b))), before, after)
    # A layer norm without attention aside, every array learns.
    still = [jax.tree_util.keystr(path) for path, m in jax.tree.leaves_with_path(moved) if not m]
    assert still == []
    assert set(metrics) == {
        "codebook_perplexity",
        "codebook_use",
        "commitment",
        "consistency",
        "loss",
        "reconstruction_loss",
    }
    assert all(v.shape == (20,) and np.isfinite(v).all() for v in metrics.values())


def test_training_learns_to_reconstruct(longer):
    model, state, metrics = longer
    loss = metrics["reconstruction_loss"]
    assert loss[-10:].mean() < 0.2 * loss[:5].mean()
    assert metrics["codebook_use"][-10:].mean() > 0.3
    variables = stage1_step.variables(jax.device_put(state))

    @jax.jit
    def judge(genotypes):
        e, quantized = stage1.embed(model, variables, genotypes)
        found = NB201.free_decode(*stage1.decode(model, variables, quantized.partials[-1]))
        return losses.relative_distortion(e, quantized.partials), (found == genotypes).all(-1)

    distortion, same = judge(NB201.sample(jax.random.key(9), 256))
    assert (np.diff(distortion) < 0).all() and distortion[0] < 1
    assert same.mean() > 0.5  # 1 in 15,284 by chance


def test_total_is_the_weighted_sum_of_its_terms(one_device):
    model = Stage1(space=NB201, **SMALL, partial_weight=0.5, commitment=0.125, constrained=1)
    _, metrics = trained(model, num_steps=2)
    expected = (
        metrics["reconstruction_loss"]
        + 0.125 * metrics["commitment"]
        + metrics["consistency"]
        + 0.5 * metrics["partial"]
    )
    np.testing.assert_allclose(metrics["loss"], expected, rtol=1e-5)
    assert (metrics["partial"] > 0).all()
    # One of five scales is constrained here; the same variables at first.
    full = one_device[2]["consistency"][0]
    assert 0 < metrics["consistency"][0] < full / 3


def test_the_paper_s_own_settings_and_no_constraint():
    model = Stage1(
        space=spaces.get("gnn"), **SMALL, form="residual", reconstruction="l2", constrained=0
    )
    _, metrics = trained(model, num_steps=2)
    assert (metrics["consistency"] == 0).all()
    # At most one entry in error a node and a pair: the norm is of that order.
    assert ((metrics["reconstruction_loss"] > 0) & (metrics["reconstruction_loss"] < 6)).all()


def test_learning_rate_ends_at_a_hundredth():
    optimizer = stage1_step.make_optimizer(learning_rate=0.5, weight_decay=0.0, num_steps=4)
    params = jnp.array(0.0)
    state = optimizer.init(params)
    sizes = []
    for _ in range(6):
        update, state = optimizer.update(jnp.array(1.0), state, params)
        sizes.append(-float(update))
    # Adam's step of a constant gradient is the rate itself.
    np.testing.assert_allclose(sizes[0], 0.5, rtol=1e-4)
    np.testing.assert_allclose(sizes[4:], 0.005, rtol=1e-3)


def test_codes_are_revived_in_the_first_steps_alone():
    # At a threshold that no count reaches every code is dead in every step.
    model = Stage1(space=NB201, **SMALL, dead_below=1e6)
    optimizer = stage1_step.make_optimizer(num_steps=3)
    step = jax.jit(
        stage1_step.make_step(model, optimizer, revive_steps=1), static_argnames="axis_name"
    )
    state = stage1_step.create_state(jax.random.key(0), model, optimizer)
    batch = NB201.sample(jax.random.key(1), 16)
    counts = []
    for key in jax.random.split(jax.random.key(2), 3):
        state, _ = step(state, batch, key, axis_name=None)
        counts.append(np.asarray(state.extra.codebook.counts))
    assert (counts[0] == 2e6).all()
    assert (counts[1] < counts[0]).all() and (counts[2] < counts[1]).all()


def test_a_revived_code_goes_where_the_codebook_serves_worst():
    # One vector of a hundred is far from the only code: one draw may miss it.
    vectors = jnp.zeros((10, 10, 2)).at[3, 4].set(5.0)
    codebook = jnp.zeros((6, 2))
    few, many = (
        stage1_step._candidates(vectors, codebook, draws, jax.random.key(0), None)
        for draws in (1, 1000)
    )
    assert few.shape == many.shape == (6, 2)
    assert (few == 0).any() and (many == 5).all()
