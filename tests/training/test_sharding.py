"""Where arrays go on a mesh, from shapes alone."""

import re

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from pnag_jax.errors import UsageError
from pnag_jax.training import sharding


@pytest.mark.parametrize(
    ("shape", "model", "expected"),
    [
        ((64, 256), 4, P(None, "model")),  # the longest
        ((64, 64), 4, P(None, "model")),  # in ties the last
        ((512, 63), 4, P("model", None)),
        ((513, 64), 4, P(None, "model")),  # the longest that 4 divides
        ((513, 63), 4, P()),
        ((31, 33), 3, P()),  # too small to be worth it
        ((32, 32), 2, P(None, "model")),
        ((1 << 20,), 2, P()),  # a vector
        ((12, 3, 16, 128), 4, P()),  # vectors of twelve layers
        ((12, 64, 33), 4, P(None, "model", None)),  # matrices of twelve layers
        ((), 2, P()),
        ((64, 256), 1, P()),
    ],
)
def test_which_axis_is_split(shape, model, expected):
    assert sharding.partition(shape, model) == expected


def test_a_state_that_is_only_shapes_is_placed():
    shapes = jax.eval_shape(lambda: {"rows": jnp.zeros((256, 64)), "key": jax.random.key(0)})
    placed = sharding.shardings(shapes, sharding.make_mesh(jax.devices(), 2))
    assert placed["rows"].shard_shape((256, 64)) == (128, 64)
    assert placed["rows"].mesh.shape == {"data": 4, "model": 2}
    assert placed["key"].is_fully_replicated


def test_examples_are_split_over_all_devices_and_a_product_gathers_the_kernel():
    mesh = sharding.make_mesh(jax.devices(), 4)
    rows, kernel = jnp.zeros((16, 8)), jnp.zeros((8, 64))

    def product(x, w):
        with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
            return sharding.split_examples(sharding.split_examples(x) @ w)

    split = NamedSharding(mesh, P(None, "model"))
    compiled = jax.jit(product, in_shardings=(None, split)).lower(rows, kernel).compile()
    assert compiled.output_shardings.shard_shape((16, 64)) == (2, 64)
    gathered = re.findall(r"= f32\[([\d,]+)\]\S* all-gather\(", compiled.as_text())
    assert gathered == ["8,64"]


def test_without_a_mesh_nothing_is_asked_of_examples():
    rows = jnp.zeros((3, 2))
    assert sharding.split_examples(rows) is rows


@pytest.mark.parametrize("model", [0, 3, 16])
def test_a_mesh_that_does_not_fit_the_devices_is_refused(model):
    message = f"mesh.model={model}: accepted are divisors of 8 devices: 1, 2, 4, 8"
    with pytest.raises(UsageError, match=message):
        sharding.make_mesh(jax.devices(), model)
