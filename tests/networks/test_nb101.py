"""The networks of NAS-Bench-101 beside the space's counts."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax import networks, spaces
from pnag_jax.errors import UsageError
from pnag_jax.networks import counting

from .conftest import IMAGES

SPACE = spaces.get("nb101")
# No node; one; branches of 43, 43 and 42 channels; the largest cells at random.
CELLS = [
    SPACE.from_string("[[0, 1], [0, 0]], ['input', 'output']"),
    SPACE.from_string("[[0, 1, 1], [0, 0, 1], [0, 0, 0]], ['input', 'maxpool3x3', 'output']"),
    SPACE.from_string(
        "[[0, 1, 1, 1, 0], [0, 0, 0, 0, 1], [0, 0, 0, 0, 1], [0, 0, 0, 0, 1], [0, 0, 0, 0, 0]],"
        "['input', 'conv3x3-bn-relu', 'conv1x1-bn-relu', 'conv3x3-bn-relu', 'output']"
    ),
    *np.asarray(SPACE.sample(jax.random.key(2), 1)),
]


@pytest.mark.parametrize("genotype", CELLS)
def test_costs_are_those_of_the_space(genotype):
    network = networks.build("nb101", genotype, 10)
    assert counting.params(network, IMAGES) == SPACE.params(genotype)
    assert counting.flops(network, IMAGES) == SPACE.flops(genotype)


def test_nodes_that_do_not_count_are_left_out(images):
    cell = CELLS[1].copy()
    cell[SPACE.fields.index("0->4")] = 1
    plain, dangling = (
        networks.build("nb101", genes, 3, channels=8, cells=1, stacks=2)
        for genes in (CELLS[1], cell)
    )
    variables = jax.jit(plain.init)(jax.random.key(0), images)
    logits = [jax.jit(network.apply)(variables, images) for network in (plain, dangling)]
    assert logits[0].shape == (5, 3)
    np.testing.assert_array_equal(*logits)


def test_a_cell_by_hand():
    """A pooling beside a projection of the input, all weights one."""
    cell = networks.nb101.Cell(tuple(CELLS[1].tolist()), 1)
    image = jnp.arange(16.0).reshape(1, 4, 4, 1)
    variables = jax.jit(cell.init, static_argnums=2)(jax.random.key(0), image, False)
    ones = jax.tree.map(jnp.ones_like, variables["params"])
    ones = jax.tree_util.tree_map_with_path(
        lambda path, x: x * 0 if path[-1].key == "bias" else x, ones
    )
    found = cell.apply({**variables, "params": ones}, image, False)
    padded = np.pad(np.arange(16.0).reshape(4, 4), 1, constant_values=-1)
    pooled = np.lib.stride_tricks.sliding_window_view(padded, (3, 3)).max((-1, -2))
    expected = pooled + np.arange(16.0).reshape(4, 4)
    np.testing.assert_allclose(found[0, ..., 0], expected, rtol=1e-4)


def test_an_invalid_cell_and_too_few_channels_are_refused():
    for genotype, fields, text in (
        ([0] * 26, {}, "no path from input to output"),
        (CELLS[0], {"channels": 4}, "channels = 4; accepted are 5 and more"),
    ):
        with pytest.raises(UsageError, match=text):
            counting.params(networks.build("nb101", genotype, 10, **fields), IMAGES)
