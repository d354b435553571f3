"""Conditions: what they accept, what is absent, how they are dropped and read."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax.errors import UsageError
from pnag_jax.models import conditions
from pnag_jax.models.conditions import ConditionEmbedding, Conditions

NONE = Conditions()


def test_what_is_not_given_is_absent_and_scalars_are_of_all():
    filled = Conditions(quality=0.5, device=1).filled(3, 2)
    np.testing.assert_array_equal(filled.quality, [0.5, 0.5, 0.5])
    np.testing.assert_array_equal(filled.device, [1, 1, 1])
    np.testing.assert_array_equal(filled.task, [-1, -1, -1])
    assert filled.hardware.shape == (3,) and np.isnan(filled.hardware).all()
    assert filled.embedding.shape == (3, 2) and np.isnan(filled.embedding).all()
    assert filled.device.dtype == filled.task.dtype == jnp.int32
    assert Conditions(quality=0.5).filled(1, 0, jnp.bfloat16).quality.dtype == jnp.bfloat16


@pytest.mark.parametrize(
    "given",
    [
        Conditions(),
        Conditions(quality=0),
        Conditions(quality=[0.0, 1.0, np.nan], device=[0, 1, -1], hardware=0.3),
        Conditions(task=2, embedding=np.zeros(4)),
        Conditions(embedding=np.zeros((7, 4))),
    ],
)
def test_accepted(given):
    given.check(num_devices=2, num_tasks=3, embedding_size=4)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (Conditions(quality=1.01), "quality = 1.01; accepted are quantiles from 0 to 1"),
        (Conditions(quality=[0.5, -0.25]), "quality = -0.25"),
        (Conditions(hardware=np.inf, device=0), "hardware = inf"),
        (Conditions(hardware=0.5), "device is not given"),
        (Conditions(device=2), r"device = 2; accepted are 0 .. 1"),
        (Conditions(device=-2), "device = -2"),
        (Conditions(device=0.5), "device = 0.5"),
        (Conditions(task=3), r"task = 3; accepted are 0 .. 2"),
        (Conditions(embedding=np.zeros(3)), r"\(3,\); accepted is \(4,\)"),
    ],
)
def test_refused(given, message):
    with pytest.raises(UsageError, match=message):
        given.check(num_devices=2, num_tasks=3, embedding_size=4)


def test_nothing_can_be_named_where_nothing_is_known():
    with pytest.raises(UsageError, match="task = 0; accepted are none"):
        Conditions(task=0).check(0, 0, 0)


def test_traced_values_are_not_looked_at():
    @jax.jit
    def check(quality):
        Conditions(quality=quality).check(0, 0, 0)
        return quality

    assert check(7.0) == 7.0


def test_conditions_are_dropped_at_their_rates():
    given = jax.tree.map(
        lambda x: x[0], Conditions(quality=0.5, hardware=0.25, device=1, task=2).filled(1, 0)
    )
    keys = jax.random.split(jax.random.key(0), 4000)

    @jax.jit
    def dropped(all_, each):
        return jax.vmap(lambda k: conditions.drop(k, given, drop_all=all_, drop_each=each))(keys)

    some = dropped(0.2, 0.5)
    no_quality = np.isnan(np.asarray(some.quality))
    no_hardware = np.isnan(np.asarray(some.hardware))
    no_task = np.asarray(some.task) == -1
    # Kept with 0.8 x 0.5; the standard error is 0.008.
    for absent in (no_quality, no_hardware, no_task):
        assert abs(absent.mean() - 0.6) < 0.04
    # Three at once with 0.2 + 0.8 x 0.5^3 = 0.3, not 0.6^3 = 0.216.
    assert abs((no_quality & no_hardware & no_task).mean() - 0.3) < 0.04
    # A device without its quantile says nothing.
    np.testing.assert_array_equal(no_hardware, np.asarray(some.device) == -1)
    kept = jax.tree.map(lambda x: x[0], dropped(0.0, 0.0))
    jax.tree.map(np.testing.assert_array_equal, kept, given)


@pytest.fixture(scope="module")
def embedding():
    module = ConditionEmbedding(2, 3, 4, 8, jnp.float32)
    params = jax.jit(module.init)(jax.random.key(0), NONE.filled(1, 4))
    apply = jax.jit(module.apply)

    def embed(given: Conditions) -> np.ndarray:
        return np.asarray(apply(params, given.filled(1, 4)))[0]

    return embed


def test_every_condition_is_read(embedding):
    full = Conditions(quality=0.5, hardware=0.5, device=0, task=0, embedding=np.ones(4))
    base = embedding(full)
    assert base.shape == (8,) and np.isfinite(base).all()
    for field, other in (
        ("quality", 0.6),
        ("hardware", 0.6),
        ("device", 1),
        ("task", 1),
        ("embedding", np.zeros(4)),
    ):
        for value in (other, None):
            assert np.abs(embedding(full.replace(**{field: value})) - base).max() > 1e-4, field


def test_a_quantile_of_no_device_and_a_device_of_no_quantile_say_nothing(embedding):
    none = embedding(NONE)
    np.testing.assert_array_equal(embedding(Conditions(hardware=0.3)), none)
    np.testing.assert_array_equal(embedding(Conditions(device=1)), none)


def test_gradients_pass_by_what_is_absent():
    module = ConditionEmbedding(2, 3, 4, 8, jnp.float32)
    filled = Conditions(quality=[0.5, np.nan]).filled(2, 4)
    params = jax.jit(module.init)(jax.random.key(0), filled)
    gradients = jax.jit(jax.grad(lambda p: jnp.sum(module.apply(p, filled) ** 2)))(params)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradients))
