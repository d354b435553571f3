"""Vision transformers beside the space's counts, and relative positions by hand."""

from __future__ import annotations

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax import networks, spaces
from pnag_jax.errors import UsageError
from pnag_jax.networks import autoformer, counting

SPACE = spaces.get("autoformer")
IMAGES = jax.ShapeDtypeStruct((1, 224, 224, 3), jnp.float32)
TINY = SPACE.from_string(
    json.dumps(
        {
            "hidden_dim": 216,
            "mlp_ratio": [3.5, 4.0] * 6,
            "depth": 12,
            "num_heads": [4, *[3] * 11],
        }
    )
)
BASE = SPACE.from_string(
    json.dumps({"hidden_dim": 528, "mlp_ratio": [3.0] * 14, "depth": 14, "num_heads": [9] * 14})
)


@pytest.mark.parametrize("genotype", [TINY, BASE])
def test_costs_are_those_of_the_space(genotype):
    network = networks.build("autoformer", genotype, 1000)
    assert counting.params(network, IMAGES) == SPACE.params(genotype)
    flops = counting.flops(network, IMAGES)
    np.testing.assert_allclose(SPACE.flops(genotype), flops, rtol=1e-7)


def row_of(away: int) -> int:
    """Of a table: 0 is the class token's, 15 that of the same place."""
    return min(max(away, -14), 14) + 15


def test_attention_knows_rows_and_columns():
    """Against one vector a pair of tokens, on a grid of 3 x 3 patches."""
    module = autoformer.Attention(2)
    x = jax.random.normal(jax.random.key(0), (1, 10, 8))
    variables = jax.jit(module.init)(jax.random.key(1), x)
    p = jax.tree.map(lambda v: 10 * np.asarray(v), variables["params"])
    between = np.zeros((2, 10, 10, 64))
    for i, name in enumerate(("relative_k", "relative_v")):
        rows, columns = p[name]
        between[i] = rows[0] + columns[0]
        for a in range(9):
            for b in range(9):
                between[i, a + 1, b + 1] = (
                    rows[row_of(b // 3 - a // 3)] + columns[row_of(b % 3 - a % 3)]
                )
    q, k, v = (np.einsum("td,dhk->thk", x[0], p[n]["kernel"]) for n in "qkv")
    scores = np.einsum("qhk,qshk->hqs", q, k[None] + between[0][:, :, None]) / 8
    shares = np.asarray(jax.nn.softmax(scores))
    mixed = np.einsum("hqs,qshk->qhk", shares, v[None] + between[1][:, :, None])
    expected = np.einsum("qhk,hkd->qd", mixed, p["out"]["kernel"])
    found = module.apply({"params": p}, x)[0]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


def test_far_places_share_a_row():
    place, index = autoformer._places(20)
    assert place.shape == (2, 401) and index.shape == (2, 401, 21)
    # The first patch: itself, its neighbour, the last two rows.
    assert index[0, 1, [1, 2, 19, 20]].tolist() == [15, 16, 29, 29]
    assert index[1, 400, [1, 20]].tolist() == [1, 15]
    assert (index[:, 0] == 0).all() and (index[:, :, 0] == 0).all()


SMALL = {"image_size": 8, "patch": 4}


def test_a_network_gives_one_logit_a_class(images):
    network = networks.build("autoformer", TINY, 5, **SMALL)
    shapes = jax.eval_shape(network.init, jax.random.key(0), images)
    variables = jax.tree.map(lambda leaf: np.full(leaf.shape, 0.02, np.float32), shapes)
    # Primitive by primitive: twelve layers take long to compile.
    logits = network.apply(variables, images)
    assert logits.shape == (5, 5) and bool(jnp.isfinite(logits).all())


def test_branches_are_dropped_in_training_alone():
    module = autoformer.Layer(1, 2.0, 0.5)
    x = jax.random.normal(jax.random.key(0), (64, 5, 4))
    variables = jax.jit(module.init, static_argnums=2)(jax.random.key(1), x, False)
    apply = jax.jit(lambda key: module.apply(variables, x, True, rngs={"drop_path": key}))
    kept = module.apply(variables, x, False)
    one, other = apply(jax.random.key(2)), apply(jax.random.key(3))
    assert (one != other).any() and (kept != x).all(axis=(1, 2)).all()
    # Both branches of an image are dropped one time in four.
    untouched = float((one == x).all(axis=(1, 2)).mean())
    assert abs(untouched - 1 / 4) < 5 * (3 / 16 / 64) ** 0.5


def test_bad_input_is_one_clear_line(images):
    with pytest.raises(UsageError, match="image_size = 9; accepted are multiples of patch = 4"):
        networks.build("autoformer", TINY, 5, image_size=9, patch=4)
    network = networks.build("autoformer", TINY, 5, image_size=16, patch=4)
    with pytest.raises(UsageError, match=r"images of \(8, 8\) pixels; accepted are \(16, 16\)"):
        network.init(jax.random.key(0), images)
