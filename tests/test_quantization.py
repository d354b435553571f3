"""The quantizer in its three forms, by hand and by properties."""

from __future__ import annotations

import functools

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax import quantization as q
from tests.plain_resizing import expanded_by_loop, pooled_by_loop

FORMS = {
    "residual": {},
    "literal": {"residual": False},
    "refined": {"refined": True},
}
SCALES = (3, 4, 5)
BATCHES = ((), (2,), (2, 3))

nearest_code = jax.jit(q.nearest_code)


@pytest.fixture(scope="module")
def material():
    """A batch of maps ``[2, 3, 5, 5, 4]``, a codebook of 7 and a phi."""
    keys = jax.random.split(jax.random.key(0), 3)
    e = jax.random.normal(keys[0], (2, 3, 5, 5, 4))
    codebook = jax.random.normal(keys[1], (7, 4))
    phi = jnp.eye(4) + 0.3 * jax.random.normal(keys[2], (len(SCALES), 4, 4))
    return e, codebook, phi


@functools.cache
def compiled(form: str):
    """``quantize`` and ``dequantize`` at ``SCALES`` under jit."""
    flags = FORMS[form]

    def quantize(e, codebook, phi=None):
        return q.quantize(e, codebook, SCALES, phi=phi, **flags)

    def dequantize(codes, codebook, phi=None):
        return q.dequantize(codes, codebook, SCALES, 5, phi=phi, **flags)

    return jax.jit(quantize), jax.jit(dequantize)


# -- the three forms by hand -------------------------------------------------------


def corner_map() -> jax.Array:
    """1 in one corner of a 4 x 4 map, 0 elsewhere."""
    return jnp.zeros((4, 4, 1)).at[0, 0].set(1.0)


# Two cells on four: centres at 0.25, 0.75 of the first cell, hence the weights
# 1, 3/4, 1/4, 0 of that cell.
SLOPE = np.array([1, 0.75, 0.25, 0])
# The corner's mean over its quarter is 1/4, nearer to 0.3 than to the others.
CODEBOOK = jnp.array([[0.0], [0.3], [1.0], [-0.3]])


def test_residual_form_by_hand():
    result = q.quantize(corner_map(), CODEBOOK, (2, 4))
    np.testing.assert_array_equal(result.codes[0], [[1, 0], [0, 0]])
    first = 0.3 * np.outer(SLOPE, SLOPE)
    np.testing.assert_allclose(result.partials[0, ..., 0], first, atol=1e-6)
    # What is left over: 1 - 0.3 in the corner, -0.225 beside it, -0.16875 on
    # the diagonal and less elsewhere.  0.7 is nearer to 1, the next two nearer
    # to -0.3, all others nearer to 0.
    codes = np.zeros((4, 4), int)
    codes[0, 0] = 2
    codes[0, 1] = codes[1, 0] = codes[1, 1] = 3
    np.testing.assert_array_equal(result.codes[1], codes)
    second = first + np.asarray(CODEBOOK)[codes, 0]
    np.testing.assert_allclose(result.partials[1, ..., 0], second, atol=1e-6)


def test_literal_form_by_hand():
    result = q.quantize(corner_map(), CODEBOOK, (2, 4), residual=False)
    np.testing.assert_array_equal(result.codes[0], [[1, 0], [0, 0]])
    # The second scale quantizes the map itself, without loss.
    np.testing.assert_array_equal(result.codes[1], 2 * np.asarray(corner_map()[..., 0], int))
    first = 0.3 * np.outer(SLOPE, SLOPE)
    np.testing.assert_allclose(result.partials[0, ..., 0], first, atol=1e-6)
    mean = (first + np.asarray(corner_map()[..., 0])) / 2
    np.testing.assert_allclose(result.partials[1, ..., 0], mean, atol=1e-6)


def test_refined_form_by_hand():
    result = q.quantize(corner_map(), CODEBOOK, (2, 4), refined=True)
    np.testing.assert_array_equal(result.codes[0], [[1, 0], [0, 0]])
    np.testing.assert_allclose(result.partials[0, ..., 0], 0.3 * np.outer(SLOPE, SLOPE), atol=1e-6)
    # At full resolution the second scale overrides all of the first.
    np.testing.assert_allclose(result.partials[1], corner_map(), atol=1e-6)


def test_refined_keeps_what_a_scale_cannot_see():
    # Between two coarse scales the override is by what the new scale resolves.
    e = jax.random.normal(jax.random.key(0), (6, 6, 1))
    codebook = jax.random.normal(jax.random.key(1), (9, 1))
    result = q.quantize(e, codebook, (2, 3, 6), refined=True)
    first = expanded_by_loop(np.asarray(codebook)[result.codes[0]], 6)
    seen = expanded_by_loop(pooled_by_loop(first, 3), 6)
    new = expanded_by_loop(np.asarray(codebook)[result.codes[1]], 6)
    np.testing.assert_allclose(result.partials[1], first - seen + new, atol=1e-5)


def test_last_partial_of_the_refined_form_is_its_last_scale(material):
    e, codebook, _ = material
    result = compiled("refined")[0](e, codebook)
    np.testing.assert_allclose(result.partials[-1], codebook[result.codes[-1]], atol=1e-6)


def test_codes_of_the_refined_form_depend_on_their_own_region_alone(material):
    e, codebook, _ = material
    other = e.at[..., 3:, 3:, :].add(10.0)
    before, after = (compiled("refined")[0](x, codebook).codes for x in (e, other))
    # Region 0 of 3 covers cells 0 and 1 of 5.
    np.testing.assert_array_equal(before[0][..., 0, 0], after[0][..., 0, 0])
    np.testing.assert_array_equal(before[-1][..., :3, :], after[-1][..., :3, :])
    assert (before[0][..., 2, 2] != after[0][..., 2, 2]).any()


# -- other processors --------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("count", [2, 3])
def test_accelerators_add_up_all_scales_in_one_product(material, form, count):
    e, codebook, _ = material
    flags = {"residual": True, "refined": False} | FORMS[form]
    how = q._Accumulator(SCALES[:count], 5, **flags)
    vectors = [codebook[code] for code in compiled(form)[0](e, codebook).codes[:count]]
    expected = q._partials_in_turn(how, *vectors)
    np.testing.assert_allclose(q._partials_at_once(how, *vectors), expected, rtol=1e-5, atol=1e-6)


def test_accelerators_pool_to_all_scales_in_one_product(material):
    e, *_ = material
    how = q._Accumulator(SCALES, 5, residual=False, refined=True)
    expected = q._pooled_in_turn(how, e)
    assert expected.shape == (2, 3, 9 + 16 + 25, 4)
    np.testing.assert_allclose(q._pooled_at_once(how, e), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("form", FORMS)
def test_a_cpu_is_given_one_way_alone(material, form):
    e, codebook, _ = material
    compiled = jax.jit(lambda e, codebook: q.quantize(e, codebook, SCALES, **FORMS[form]))
    assert " conditional(" not in compiled.lower(e, codebook).compile().as_text()


@pytest.mark.parametrize("form", FORMS)
def test_maps_too_large_for_one_product_are_quantized_all_the_same(form):
    # 12 x 12 cells are more than a matrix unit has rows.
    keys = jax.random.split(jax.random.key(0), 2)
    e, codebook = jax.random.normal(keys[0], (12, 12, 2)), jax.random.normal(keys[1], (9, 2))
    result = jax.jit(lambda e: q.quantize(e, codebook, (6, 12), **FORMS[form]))(e)
    distance = np.linalg.norm(pooled_by_loop(np.asarray(e), 6)[..., None, :] - codebook, axis=-1)
    np.testing.assert_array_equal(result.codes[0], distance.argmin(-1))
    first = expanded_by_loop(np.asarray(codebook)[result.codes[0]], 12)
    np.testing.assert_allclose(result.partials[0], first, atol=1e-5)


# -- what all forms keep -----------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("with_phi", [False, True])
def test_dequantize_gives_the_partials_of_quantize(material, form, with_phi):
    e, codebook, phi = material
    quantize, dequantize = compiled(form)
    chosen = phi if with_phi else None
    result = quantize(e, codebook, chosen)
    assert [c.shape for c in result.codes] == [(2, 3, n, n) for n in SCALES]
    assert all(c.dtype == jnp.int32 for c in result.codes)
    assert result.partials.shape == (3, 2, 3, 5, 5, 4) and result.output.shape == e.shape
    np.testing.assert_allclose(
        dequantize(result.codes, codebook, chosen), result.partials, rtol=1e-5, atol=1e-5
    )
    np.testing.assert_allclose(result.output, result.partials[-1], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("form", FORMS)
def test_identity_phi_changes_nothing(material, form):
    e, codebook, _ = material
    identity = jnp.tile(jnp.eye(4), (len(SCALES), 1, 1))
    with_phi = compiled(form)[0](e, codebook, identity)
    without = compiled(form)[0](e, codebook)
    np.testing.assert_allclose(with_phi.partials, without.partials, atol=1e-5)


@pytest.mark.parametrize("form", FORMS)
def test_jit_vmap_and_every_batch_rank_agree(material, form):
    e, codebook, phi = material
    quantize, _ = compiled(form)
    with jax.disable_jit():
        whole = quantize(e, codebook, phi)
    mapped = jax.jit(jax.vmap(quantize, in_axes=(0, None, None)))(e, codebook, phi)
    np.testing.assert_allclose(jnp.moveaxis(mapped.partials, 0, 1), whole.partials, atol=1e-5)
    jitted = quantize(e, codebook, phi)
    for eager, fast, row in zip(whole.codes, jitted.codes, mapped.codes, strict=True):
        np.testing.assert_array_equal(eager, fast)
        np.testing.assert_array_equal(eager, row)
    alone = quantize(e[1, 2], codebook, phi)
    np.testing.assert_allclose(alone.partials, whole.partials[:, 1, 2], atol=1e-5)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_dtype_is_kept(material, form, dtype):
    arguments = [x.astype(dtype) for x in material]
    quantize, dequantize = compiled(form)
    result = jax.eval_shape(quantize, *arguments)
    assert result.partials.dtype == result.output.dtype == dtype
    assert all(c.dtype == jnp.int32 for c in result.codes)
    assert jax.eval_shape(dequantize, result.codes, *arguments[1:]).dtype == dtype


def test_double_precision_is_kept_and_used():
    with jax.enable_x64(True):
        e = jnp.asarray(np.random.default_rng(0).normal(size=(5, 5, 2)))
        assert e.dtype == jnp.float64
        np.testing.assert_allclose(
            q.region_average(e, 3), pooled_by_loop(np.asarray(e), 3), rtol=1e-13
        )
        result = jax.eval_shape(compiled("residual")[0], e, e[0])
        assert result.partials.dtype == result.output.dtype == jnp.float64
        assert all(c.dtype == jnp.int32 for c in result.codes)


@pytest.mark.parametrize("form", FORMS)
def test_gradient_passes_straight_through_to_e(material, form):
    e, codebook, phi = material
    e = e[0]
    weight = jax.random.normal(jax.random.key(9), e.shape)

    def read(e):
        return jnp.sum(weight * compiled(form)[0](e, codebook, phi).output)

    np.testing.assert_allclose(jax.jit(jax.grad(read))(e), weight, rtol=1e-6)


@pytest.mark.parametrize("form", FORMS)
def test_gradients_reach_codebook_and_phi_through_the_partials(material, form):
    e, codebook, phi = material

    def read(codebook, phi, e):
        return jnp.sum(compiled(form)[0](e, codebook, phi).partials[-1] ** 2)

    gradient = jax.jit(jax.grad(read, argnums=(0, 1, 2)))
    by_codebook, by_phi, by_e = gradient(codebook, phi, e[0])
    assert jnp.abs(by_codebook).sum() > 0
    scales = jnp.abs(by_phi).sum((1, 2)) > 1e-3
    # The last partial of the refined form is the last scale's map alone.
    assert scales.tolist() == ([False, False, True] if form == "refined" else [True] * 3)
    assert (by_e == 0).all()  # choosing a code has no gradient


@pytest.mark.parametrize("form", FORMS)
def test_a_second_call_compiles_nothing(material, form):
    traces = []

    @jax.jit
    def there_and_back(e, codebook):
        traces.append(None)
        codes = q.quantize(e, codebook, SCALES, **FORMS[form]).codes
        return q.dequantize(codes, codebook, SCALES, 5, **FORMS[form])

    e, codebook, _ = material
    there_and_back(e, codebook)
    there_and_back(2 * e, codebook + 1)
    assert len(traces) == 1


@pytest.mark.parametrize("form", ["residual", "refined"])
def test_distortion_falls_with_the_scales_for_a_fitting_codebook(form):
    # Codes on a fine grid around all values: the last scale misses almost nothing.
    e = jax.random.normal(jax.random.key(0), (8, 6, 6, 1))
    codebook = jnp.linspace(-4, 4, 201)[:, None]
    quantize = jax.jit(lambda e: q.quantize(e, codebook, (3, 4, 5, 6), **FORMS[form]))
    partials = quantize(e).partials
    distortion = np.asarray(((e - partials) ** 2).sum((-3, -2, -1)).mean(-1))
    assert (np.diff(distortion) < 0).all() and distortion[-1] < 1e-2


@pytest.mark.parametrize("form", FORMS)
def test_pooled_targets_are_what_was_quantized(material, form):
    e, codebook, phi = material
    result = compiled(form)[0](e, codebook, phi)
    targets = q.pooled_targets(e, result.partials, SCALES, **FORMS[form])
    for target, codes in zip(targets, result.codes, strict=True):
        np.testing.assert_array_equal(nearest_code(target, codebook), codes)


# -- scales ------------------------------------------------------------------------


def test_schedules():
    assert q.scale_schedule(8) == (3, 4, 5, 6, 7, 8)
    assert q.scale_schedule(3) == q.scale_schedule(3, "geometric") == (3,)
    assert q.scale_schedule(20, "geometric") == (3, 4, 5, 6, 8, 10, 13, 16, 20)
    assert q.scale_schedule(18, "geometric") == (3, 4, 5, 6, 8, 10, 13, 16, 18)


@hypothesis.given(st.integers(3, 200), st.sampled_from(["linear", "geometric"]))
def test_schedules_grow_from_three_to_all_nodes(num_nodes, kind):
    scales = q.scale_schedule(num_nodes, kind)
    assert scales[0] == 3 and scales[-1] == num_nodes
    assert (np.diff(scales) > 0).all() and all(type(n) is int for n in scales)


@pytest.mark.parametrize("arguments", [(2,), (8, "cubic")])
def test_a_schedule_that_is_none_says_why(arguments):
    with pytest.raises(ValueError, match=r"num_nodes = 2|kind = 'cubic'"):
        q.scale_schedule(*arguments)
