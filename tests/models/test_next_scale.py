"""The next-scale transformer: who sees whom, and that caches change nothing."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax.models.conditions import Conditions
from pnag_jax.models.next_scale import NextScale, teacher_mask

MODEL = NextScale(
    sizes=(2, 1, 3), num_values=5, num_devices=2, num_tasks=2, width=8, num_layers=2, num_heads=2
)
SCALE_OF = np.array([0, 0, 1, 2, 2, 2])


def filled(batch: int, dtype=jnp.float32):
    quality = np.linspace(0, 1, batch)
    return Conditions(quality=quality, hardware=0.3, device=1).filled(batch, 0, dtype)


def made(model: NextScale):
    """Parameters that are nowhere zero: a fresh block is the identity."""
    codes = jnp.zeros((1, sum(model.sizes)), jnp.int32)
    shapes = jax.eval_shape(model.init, jax.random.key(0), codes, filled(1, model.dtype))
    leaves, structure = jax.tree.flatten(shapes)
    keys = jax.random.split(jax.random.key(1), len(leaves))
    values = [
        0.5 * jax.random.normal(k, x.shape, x.dtype) for k, x in zip(keys, leaves, strict=True)
    ]
    return jax.tree.unflatten(structure, values)


@pytest.fixture(scope="module")
def params():
    return made(MODEL)


@pytest.fixture(scope="module")
def logits_of(params):
    return lambda codes: np.asarray(full(MODEL, params, codes, filled(4)))


@pytest.fixture(scope="module")
def codes():
    return jax.random.randint(jax.random.key(2), (4, 6), 0, 5)


def test_mask_by_hand():
    # Told: scale 0 twice, scale 1; asked: the six codes.
    expected = [
        [1, 1, 0, 0, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 1, 1, 0, 0, 0, 0],
        [0, 0, 0, 1, 1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 1, 0, 0, 0],
        [1, 1, 1, 0, 0, 0, 1, 1, 1],
        [1, 1, 1, 0, 0, 0, 1, 1, 1],
        [1, 1, 1, 0, 0, 0, 1, 1, 1],
    ]
    np.testing.assert_array_equal(teacher_mask((2, 1, 3)).astype(int), expected)


@pytest.mark.parametrize("changed", range(6))
def test_a_code_reaches_the_finer_scales_and_no_other(logits_of, codes, changed):
    before = logits_of(codes)
    after = logits_of(codes.at[:, changed].set((codes[:, changed] + 1) % 5))
    difference = np.abs(after - before).max(axis=(0, 2))
    finer = SCALE_OF[changed] < SCALE_OF
    assert (difference[~finer] == 0).all()
    assert (difference[finer] > 1e-4).all()


def test_conditions_reach_every_code(params, codes):
    with_one = full(MODEL, params, codes, filled(4))
    with_none = full(MODEL, params, codes, Conditions().filled(4, 0))
    assert (np.abs(with_one - with_none).max(axis=(0, 2)) > 1e-4).all()


@functools.partial(jax.jit, static_argnums=0)
def full(model: NextScale, params, codes, conditions) -> jax.Array:
    return model.apply(params, codes, conditions)


@functools.partial(jax.jit, static_argnums=0)
def cached(model: NextScale, params, codes, conditions) -> jax.Array:
    """The logits of all scales by one pass each, told the codes as they go."""
    condition = model.apply(params, conditions, method="embed_conditions")
    ends = np.cumsum((0, *model.sizes))
    told, cache, parts = codes[:, :0], None, []
    for scale in range(len(model.sizes)):
        logits, cache = model.apply(params, scale, told, condition, cache, method="predict")
        assert cache.keys[0].shape[1] == ends[scale]
        parts.append(logits)
        told = codes[:, ends[scale] : ends[scale + 1]]
    return jnp.concatenate(parts, axis=1)


@pytest.mark.parametrize("sizes", [(2, 1, 3), (3,)])
def test_cached_passes_give_the_logits_of_the_full_one(sizes):
    model = MODEL.clone(sizes=sizes)
    params = made(model)
    codes = jax.random.randint(jax.random.key(3), (4, sum(sizes)), 0, 5)
    expected = full(model, params, codes, filled(4))
    assert expected.shape == (4, sum(sizes), 5) and expected.std() > 0.1
    found = cached(model, params, codes, filled(4))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_jit_and_vmap_change_nothing(params, codes, logits_of):
    with jax.disable_jit():
        plain = MODEL.apply(params, codes, filled(4))
    np.testing.assert_allclose(logits_of(codes), plain, rtol=1e-4, atol=1e-5)
    many = jnp.stack([codes, codes[::-1]])
    mapped = jax.vmap(lambda c: full(MODEL, params, c, filled(4)))(many)
    looped = jnp.stack([logits_of(c) for c in many])
    np.testing.assert_allclose(mapped, looped, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float32])
def test_dtype_is_kept(dtype, codes):
    model = MODEL.clone(dtype=dtype)
    params = jax.eval_shape(lambda: made(model))
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {jnp.dtype(dtype)}
    for function in (full, cached):
        shape = jax.eval_shape(functools.partial(function, model), params, codes, filled(4, dtype))
        assert shape.dtype == dtype


def test_a_fresh_model_looks_at_no_other_token(codes):
    params = jax.jit(MODEL.init)(jax.random.key(0), codes, filled(4))
    first = full(MODEL, params, codes, filled(4))
    other = full(MODEL, params, (codes + 1) % 5, Conditions().filled(4, 0))
    np.testing.assert_allclose(first, other, atol=1e-6)


def test_layers_as_one_loop_compute_the_same(params, codes):
    rest = {name: x for name, x in params["params"].items() if not name.startswith("blocks_")}
    blocks = [params["params"][f"blocks_{i}"] for i in range(MODEL.num_layers)]
    stacked = {"params": {**rest, "layers": jax.tree.map(lambda *x: jnp.stack(x), *blocks)}}
    looped = MODEL.clone(scanned=True)
    shapes = jax.eval_shape(looped.init, jax.random.key(0), codes, filled(4))
    assert jax.tree.structure(shapes) == jax.tree.structure(stacked)

    def loss(model, params):
        return jnp.mean(model.apply(params, codes, filled(4)) ** 2)

    value, gradient = jax.jit(jax.value_and_grad(lambda p: loss(MODEL, p)))(params)
    again, looped_gradient = jax.jit(jax.value_and_grad(lambda p: loss(looped, p)))(stacked)
    np.testing.assert_allclose(value, again, rtol=1e-5)
    first = jax.tree.map(lambda x: x[0], looped_gradient["params"]["layers"])
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5),
        first,
        gradient["params"]["blocks_0"],
    )
