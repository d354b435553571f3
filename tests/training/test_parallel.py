import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toy

from pnag_jax.errors import UsageError
from pnag_jax.training import parallel

SHUFFLE = np.uint32(2**32 - 1)


def numbers(tree):
    return jax.tree.leaves(tree.replace(extra={k: v for k, v in tree.extra.items() if k != "key"}))


@pytest.fixture(scope="module")
def problem():
    return toy.make_state(), toy.make_data(), jax.random.key(3)


@pytest.fixture(scope="module")
def one_device(problem):
    """State and metrics after 52 steps: each step its own call of a jitted function."""
    state, data, key = problem
    step = jax.jit(functools.partial(toy.step, axis_name=None))
    logged = []
    for number in range(13):
        epoch_key = jax.random.fold_in(key, number)
        order = jax.random.permutation(jax.random.fold_in(epoch_key, SHUFFLE), 64)
        for s, rows in enumerate(np.reshape(order, (4, 16))):
            batch = {name: values[rows] for name, values in data.items()}
            state, metrics = step(state, batch, jax.random.fold_in(epoch_key, s))
            logged.append(metrics)
    return state, {name: np.array([line[name] for line in logged]) for name in logged[0]}


@pytest.mark.parametrize(
    ("strategy", "devices"), [("pmap", 8), ("mesh", 8), ("pmap", 1), ("mesh", 1)]
)
def test_many_devices_equal_one_over_50_steps(strategy, devices, problem, one_device):
    """And compile once, move nothing unasked, use no key twice."""
    (state, host_data, key), traces = problem, []

    def counted(*args):
        traces.append(1)
        return toy.step(*args)

    epoch = toy.make_epoch(strategy, devices, counted)
    with jax.transfer_guard("disallow"), jax.debug_key_reuse(True):
        data, placed = epoch.place_data(host_data), epoch.place(state)
        placed, first = epoch.run(placed, data, key, 0)
        compiled = len(traces)
        logged = [first]
        for number in range(1, 13):
            old = placed
            placed, metrics = epoch.run(placed, data, key, number)
            assert all(x.is_deleted() for x in jax.tree.leaves(old.params)), "not donated"
            logged.append(metrics)
        got = epoch.fetch(placed)
        epoch.run(epoch.place(got), data, key, 13)
    assert len(traces) == compiled
    jax.block_until_ready(state)  # the caller's own arrays are still there

    want, want_metrics = one_device
    assert int(got.step) == 52
    assert int(got.extra["count"]) == 52 * 16
    for a, b in zip(numbers(got), numbers(want), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)
    assert want_metrics["loss"].shape == (52,)
    assert want_metrics["loss"][-4:].mean() < 0.5 * want_metrics["loss"][:4].mean()
    for name, values in want_metrics.items():
        got_values = np.concatenate([metrics[name] for metrics in logged])
        np.testing.assert_allclose(got_values, values, rtol=1e-5)


def ids_and_keys(state, batch, key, axis_name):
    ids = parallel.gather_over(batch["id"], axis_name)
    return state + 1, {"ids": ids, "key": jax.random.key_data(key)}


@pytest.mark.parametrize("strategy", parallel.STRATEGIES)
def test_batches_and_keys_are_the_documented_ones(strategy):
    epoch = toy.make_epoch(strategy, 8, ids_and_keys)
    state, data = epoch.place(jnp.zeros((), jnp.int32)), epoch.place_data(toy.make_data(70))
    key = jax.random.key(11)
    for number in (0, 5):
        state, metrics = epoch.run(state, data, key, number)
        epoch_key = jax.random.fold_in(key, number)
        order = jax.random.permutation(jax.random.fold_in(epoch_key, SHUFFLE), 70)
        np.testing.assert_array_equal(metrics["ids"], np.reshape(order[:64], (4, 16)))
        for s in range(4):
            want = jax.random.key_data(jax.random.fold_in(epoch_key, s))
            np.testing.assert_array_equal(metrics["key"][s], want)
    assert epoch.fetch(state) == 8


def test_example_keys_do_not_depend_on_the_number_of_devices():
    def step(state, batch, key, axis_name):
        keys = parallel.example_keys(key, len(batch["id"]), axis_name)
        noise = jax.vmap(jax.random.normal)(keys)
        return state, {"noise": parallel.gather_over(noise, axis_name)}

    seen = []
    for strategy, devices in (("mesh", 1), ("pmap", 4), ("mesh", 8)):
        epoch = toy.make_epoch(strategy, devices, step)
        placed, data = epoch.place(jnp.zeros(())), epoch.place_data(toy.make_data())
        seen.append(epoch.run(placed, data, jax.random.key(0), 0)[1]["noise"])
    assert len(np.unique(seen[0])) == 64
    np.testing.assert_array_equal(seen[0], seen[1])
    np.testing.assert_array_equal(seen[0], seen[2])


def test_mesh_splits_the_work():
    shapes = []

    def step(state, batch, key, axis_name):
        jax.debug.inspect_array_sharding(
            batch["x"], callback=lambda s: shapes.append(s.shard_shape((16, 3)))
        )
        return state, {"sum": jnp.sum(batch["x"])}

    epoch = toy.make_epoch("mesh", 8, step)
    placed, data = epoch.place(jnp.zeros(())), epoch.place_data(toy.make_data())
    epoch.run(placed, data, jax.random.key(0), 0)
    assert shapes == [(2, 3)]


@pytest.mark.parametrize("strategy", parallel.STRATEGIES)
def test_place_and_fetch_keep_every_leaf(strategy):
    epoch = toy.make_epoch(strategy, 8)
    state = {
        "weak": jnp.asarray(1.5),
        "half": np.ones(2, jnp.bfloat16),
        "none": None,
        "empty": np.zeros((0, 3), np.int8),
        "key": jax.random.key(5),
        "keys": jax.random.split(jax.random.key(5, impl="rbg"), 2),
    }
    placed = epoch.place(jax.device_put(state, jax.devices()[3]))
    assert not placed["weak"].weak_type
    shared = epoch.share(placed)
    for a, b in zip(*map(jax.tree.leaves, (shared, epoch.shapes(state))), strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        assert a.sharding.is_equivalent_to(b.sharding, a.ndim)
    got = epoch.fetch(epoch.join(shared))
    assert got["weak"] == 1.5 and got["none"] is None
    assert got["half"].dtype == jnp.bfloat16 and got["empty"].shape == (0, 3)
    assert got["key"].dtype == state["key"].dtype and got["keys"].shape == (2,)
    for name in ("key", "keys"):
        want = jax.random.key_data(state[name])
        np.testing.assert_array_equal(jax.random.key_data(got[name]), want)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_size": 12}, "batch_size=12: the 8 devices do not divide it; 16 would do"),
        ({"batch_size": 0}, "batch_size=0: must be at least 1"),
        ({"steps_per_epoch": 0}, "steps_per_epoch=0: must be at least 1"),
        ({"strategy": "gspmd"}, "strategy=gspmd: unknown; one of pmap, mesh"),
    ],
)
def test_bad_settings_are_named(settings, message):
    settings = {"batch_size": 16, "steps_per_epoch": 4, **settings}
    with pytest.raises(UsageError) as caught:
        parallel.make_epoch(toy.step, **settings)
    assert str(caught.value) == message


def test_data_that_does_not_fit_is_refused():
    epoch = toy.make_epoch()
    with pytest.raises(UsageError, match=r"batch_size=16, steps_per_epoch=4: .* 63 examples"):
        epoch.place_data(toy.make_data(63))
    with pytest.raises(UsageError, match=r"\[2, 3\] examples"):
        epoch.place_data({"a": np.zeros(2), "b": np.zeros(3)})
