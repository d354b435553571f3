"""The training step of the surrogates: on one device as on two, and that it learns."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax.models import stage1_step, surrogate_step
from pnag_jax.models.surrogate import Surrogate
from pnag_jax.models.surrogate_step import Episodes
from pnag_jax.models.task_encoders import Examples
from pnag_jax.training import parallel

MODEL = Surrogate(example_size=2, width=8, num_heads=2)
FEATURES = jnp.asarray(np.random.default_rng(0).normal(size=(40, 3)), jnp.float32)
EXAMPLES = jnp.eye(2)


def episodes(count: int) -> Episodes:
    """Scores are the first feature, two higher on tasks with example 1."""
    random = np.random.default_rng(1)
    rows = random.integers(0, 40, (count, 6)).astype(np.int32)
    kind = random.integers(0, 2, (count, 1)).astype(np.int32)
    values = np.asarray(FEATURES)[rows, :1] + 2.0 * kind[:, None] - 1.0
    rows[:, -1] = -1
    return Episodes(*map(jnp.asarray, (rows, values, kind)))


def trained(*, strategy: str = "mesh", num_devices: int = 1, num_steps: int = 3):
    optimizer = stage1_step.make_optimizer(learning_rate=1e-2, num_steps=num_steps)
    step = surrogate_step.make_step(
        MODEL, optimizer, features=FEATURES, examples=EXAMPLES, drop=0.0
    )
    epoch = parallel.make_epoch(
        step,
        batch_size=16,
        steps_per_epoch=num_steps,
        strategy=strategy,
        devices=jax.devices()[:num_devices],
    )
    state = surrogate_step.create_state(
        jax.random.key(2), MODEL, optimizer, members=2, feature_size=3
    )
    data = epoch.place_data(episodes(16 * num_steps))
    placed, metrics = epoch.run(epoch.place(state), data, jax.random.key(3), 0)
    return epoch.fetch(placed), jax.device_get(metrics)


@pytest.fixture(scope="module")
def long():
    return trained(num_steps=200)


def test_two_devices_train_what_one_device_trains():
    state, metrics = trained()
    found, found_metrics = trained(strategy="pmap", num_devices=2)
    for name, values in metrics.items():
        np.testing.assert_allclose(found_metrics[name], values, rtol=1e-3, err_msg=name)
    assert found.step == state.step == 3


def test_architectures_and_levels_of_tasks_are_learned(long):
    state, metrics = long
    assert metrics["nats"][-20:].mean() < 0.2 < metrics["nats"][0]
    member = jax.tree.map(lambda x: x[0], state.params)
    task = surrogate_step.unknown(MODEL, 3)
    assert np.isfinite(jax.jit(MODEL.apply)(member, FEATURES, task, jnp.ones(())).mean).all()
    one, two = (
        jax.jit(MODEL.apply)(
            member,
            FEATURES,
            task._replace(examples=Examples(EXAMPLES[i : i + 1], jnp.ones(1, bool))),
            jnp.ones(()),
        )
        for i in range(2)
    )
    np.testing.assert_allclose(two.mean.mean() - one.mean.mean(), 2.0, atol=0.4)
    assert np.corrcoef(one.mean[:, 0], FEATURES[:, 0])[0, 1] > 0.95


def test_members_are_different_and_each_learns(long):
    first = long[0].params["params"]["first"]["kernel"]
    assert first.shape == (2, 3, 8) and (first[0] != first[1]).any()


def test_examples_of_another_dimension_are_refused():
    task = surrogate_step.unknown(MODEL, 3)
    wrong = task._replace(examples=Examples(jnp.zeros((1, 5)), jnp.ones(1, bool)))
    with pytest.raises(ValueError, match="examples of 5 features; accepted are 2"):
        MODEL.init(jax.random.key(0), FEATURES, wrong, jnp.ones(()))


@pytest.mark.parametrize("seed", range(20))
def test_what_is_told_is_at_most_half_and_there(seed):
    there = jnp.array([True, False, True, True, True, False])
    told = surrogate_step._told(jax.random.key(seed), there)
    assert not (told & ~there).any() and told.sum() <= 2
