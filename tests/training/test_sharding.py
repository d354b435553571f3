"""Where arrays go on a mesh, from names and shapes alone."""

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import PartitionSpec as P

from pnag_jax.errors import UsageError
from pnag_jax.training import sharding
from pnag_jax.training.sharding import Rule

RULES = (Rule("'heads'", -2), Rule("'rows'", 0))


@pytest.mark.parametrize(
    ("name", "shape", "model", "expected"),
    [
        ("['x']", (64, 256), 4, P(None, "model")),  # the longest
        ("['x']", (64, 64), 4, P(None, "model")),  # in ties the last
        ("['x']", (512, 63), 4, P("model", None)),
        ("['x']", (513, 64), 4, P(None, "model")),  # the longest that 4 divides
        ("['x']", (513, 63), 4, P()),
        ("['x']", (1023,), 2, P()),  # too small to be worth it
        ("['x']", (), 2, P()),
        ("['x']", (64, 256), 1, P()),
        ("['heads']['kernel']", (64, 3, 4, 16), 4, P(None, None, "model", None)),
        ("['heads']['kernel']", (64, 3, 4, 16), 8, P("model", None, None, None)),  # 4 heads, 8 ways
        ("['heads']['bias']", (2048,), 2, P("model")),  # an axis that is not there
        (".opt_state[0].mu['rows']", (64, 256), 2, P("model", None)),
    ],
)
def test_which_axis_is_split(name, shape, model, expected):
    assert sharding.partition(name, shape, model, RULES) == expected


def test_a_state_that_is_only_shapes_is_placed():
    shapes = jax.eval_shape(lambda: {"rows": jnp.zeros((64, 256)), "key": jax.random.key(0)})
    placed = sharding.shardings(shapes, sharding.make_mesh(jax.devices(), 2), RULES)
    assert placed["rows"].shard_shape((64, 256)) == (32, 256)
    assert placed["rows"].mesh.shape == {"data": 4, "model": 2}
    assert placed["key"].is_fully_replicated


@pytest.mark.parametrize("model", [0, 3, 16])
def test_a_mesh_that_does_not_fit_the_devices_is_refused(model):
    message = f"mesh.model={model}: accepted are divisors of 8 devices: 1, 2, 4, 8"
    with pytest.raises(UsageError, match=message):
        sharding.make_mesh(jax.devices(), model)
