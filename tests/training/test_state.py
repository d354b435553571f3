import jax
import jax.numpy as jnp
import numpy as np
import optax

from pnag_jax.training.state import TrainState


def test_update_by_hand_and_in_a_scan():
    optimizer = optax.sgd(0.5)
    state = TrainState.create({"w": jnp.array([1.0, 2.0])}, optimizer, extra={"n": jnp.zeros(())})
    assert state.step.dtype == jnp.int32
    one = state.update({"w": jnp.array([1.0, -1.0])}, optimizer)
    np.testing.assert_array_equal(one.params["w"], [0.5, 2.5])  # w - 0.5 g
    assert one.step == 1 and one.extra is state.extra

    def body(state, _):
        return state.update(state.params, optimizer, {"n": state.extra["n"] + 1}), None

    three, _ = jax.lax.scan(body, state, length=3)  # halves w; same types before and after
    np.testing.assert_array_equal(three.params["w"], [0.125, 0.25])
    assert three.step == 3 and three.extra["n"] == 3
