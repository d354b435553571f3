"""The training step of the prior: on one device as on eight, and that it learns."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax.models import next_scale_step, stage1_step
from pnag_jax.models.conditions import Conditions
from pnag_jax.models.next_scale import NextScale
from pnag_jax.models.next_scale_step import Examples
from pnag_jax.training import parallel

MODEL = NextScale(
    sizes=(1, 2),
    num_values=4,
    num_devices=2,
    num_tasks=2,
    embedding_size=3,
    width=32,
    num_layers=1,
    num_heads=2,
)
EMBEDDINGS = jnp.eye(2, 3)


def examples(count: int) -> Examples:
    """The first code says which half the quality is in; the others repeat it."""
    code = np.asarray(jax.random.randint(jax.random.key(0), (count,), 0, 4))
    quality = np.stack([(code + 0.5) / 4, np.full(count, np.nan)], axis=1)
    hardware = np.stack([1 - quality[:, 0], np.full(count, 0.5)], axis=1)
    codes = np.repeat(code[:, None], 3, axis=1)
    return Examples(*map(jnp.asarray, (codes, quality, hardware)))


def trained(*, strategy: str = "mesh", num_devices: int = 1, num_steps: int = 4, model: int = 1):
    optimizer = stage1_step.make_optimizer(learning_rate=1e-2, num_steps=num_steps)
    epoch = parallel.make_epoch(
        next_scale_step.make_step(MODEL, optimizer, embeddings=EMBEDDINGS),
        batch_size=32,
        steps_per_epoch=num_steps,
        strategy=strategy,
        devices=jax.devices()[:num_devices],
        model=model,
    )
    state = next_scale_step.create_state(jax.random.key(1), MODEL, optimizer)
    data = epoch.place_data(examples(32 * num_steps))
    placed, key = epoch.place(state), jax.random.key(2)
    with jax.transfer_guard("disallow"):
        placed, metrics = epoch.run(placed, data, key, 0)
    kernels = placed.params["params"]["blocks_0"], placed.opt_state[0].mu["params"]["blocks_0"]
    for block in kernels if strategy == "mesh" else ():
        # Shared out, in the moments too, where there is enough of it.
        assert block["qkv"]["kernel"].sharding.is_fully_replicated
        assert block["up"]["kernel"].sharding.shard_shape((32, 128)) == (32, 128 // model)
        assert block["down"]["kernel"].sharding.shard_shape((128, 32)) == (128 // model, 32)
    return epoch.fetch(placed), jax.device_get(metrics)


@pytest.fixture(scope="module")
def one_device():
    return trained()


@pytest.mark.parametrize(("strategy", "model"), [("pmap", 1), ("mesh", 1), ("mesh", 4)])
def test_eight_devices_train_what_one_device_trains(strategy, model, one_device):
    expected, expected_metrics = one_device
    state, metrics = trained(strategy=strategy, num_devices=8, model=model)
    assert set(metrics) == {"loss", "nats_per_scale"}
    for name, values in expected_metrics.items():
        np.testing.assert_allclose(metrics[name], values, rtol=1e-4, err_msg=name)
    # Not the parameters themselves: the loss does not depend on the bias of keys,
    # whose gradient is rounding noise, which Adam takes for a direction.
    codes = examples(8).codes
    given = Conditions(quality=0.5, task=0).filled(8, 3)
    found, wanted = (jax.jit(MODEL.apply)(s.params, codes, given) for s in (state, expected))
    np.testing.assert_allclose(found, wanted, atol=1e-3)
    assert state.step == expected.step == 4


def test_every_parameter_learns(one_device):
    optimizer = stage1_step.make_optimizer(learning_rate=1e-2, num_steps=4)
    before = next_scale_step.create_state(jax.random.key(1), MODEL, optimizer).params
    moved = jax.tree.map(lambda a, b: np.any(np.asarray(a) != b), before, one_device[0].params)
    still = [jax.tree_util.keystr(p) for p, m in jax.tree.leaves_with_path(moved) if not m]
    assert still == []


def test_the_loss_is_the_sum_over_scales(one_device):
    _, metrics = one_device
    assert metrics["nats_per_scale"].shape == (4, 2)
    np.testing.assert_allclose(metrics["nats_per_scale"].sum(axis=1), metrics["loss"], rtol=1e-5)


def test_code_length_by_hand():
    # Even logits over 4 values: log 4 = 1.3863 a code; 3 to 1 odds: log(4 / 3).
    logits = jnp.zeros((1, 3, 4)).at[0, 2].set(jnp.array([jnp.log(3.0), 0.0, -jnp.inf, -jnp.inf]))
    found = next_scale_step.code_length(logits, jnp.array([[1, 2, 0]]), (1, 2))
    np.testing.assert_allclose(found, [[1.386294, 1.386294 + 0.287682]], rtol=1e-5)


def test_training_learns_scales_and_conditions():
    state, metrics = trained(num_steps=150)
    # The second scale repeats the first; the first needs the condition.
    assert metrics["nats_per_scale"][-10:, 1].mean() < 0.2
    codes = jnp.repeat(jnp.arange(4)[:, None], 3, axis=1)

    @jax.jit
    def first_code(given):
        logits = MODEL.apply(state.params, codes, given)
        return next_scale_step.code_length(logits, codes, MODEL.sizes)[:, 0]

    told = Conditions(quality=(np.arange(4) + 0.5) / 4, task=0).filled(4, 3)
    assert first_code(told).max() < 0.5
    # Without it all four are as likely: log 4 = 1.39 each.
    np.testing.assert_allclose(first_code(Conditions().filled(4, 3)), 1.386, atol=0.7)


def test_nothing_is_known_of_no_task_and_no_device():
    model = NextScale(sizes=(1, 2), num_values=4, width=8, num_layers=1, num_heads=2)
    optimizer = stage1_step.make_optimizer(num_steps=1)
    state = next_scale_step.create_state(jax.random.key(0), model, optimizer)
    step = next_scale_step.make_step(model, optimizer)
    empty = np.zeros((4, 0), np.float32)
    batch = Examples(jnp.zeros((4, 3), jnp.int32), jnp.asarray(empty), jnp.asarray(empty))
    after, metrics = jax.jit(lambda s, b, k: step(s, b, k, None))(state, batch, jax.random.key(1))
    assert after.step == 1 and np.isfinite(metrics["loss"])
