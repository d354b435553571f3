"""The quantizer against plain loops, and against numbers worked out by hand."""

from __future__ import annotations

import functools

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax import quantization as q

FORMS = {
    "residual": {},
    "literal": {"residual": False},
    "refined": {"refined": True},
}
SCALES = (3, 4, 5)
BATCHES = ((), (2,), (2, 3))

nearest_code = jax.jit(q.nearest_code)
# Every new shape is compiled, hence few examples.
some_sizes = hypothesis.settings(max_examples=15, deadline=None)


def pooled_by_loop(x: np.ndarray, n: int) -> np.ndarray:
    """Adaptive average pooling of ``[N, N, C]``, cell by cell."""
    size = x.shape[0]
    out = np.zeros((n, n, x.shape[-1]))
    for i in range(n):
        for j in range(n):
            rows = slice(int(np.floor(i * size / n)), int(np.ceil((i + 1) * size / n)))
            columns = slice(int(np.floor(j * size / n)), int(np.ceil((j + 1) * size / n)))
            out[i, j] = x[rows, columns].mean((0, 1))
    return out


def expanded_by_loop(x: np.ndarray, size: int) -> np.ndarray:
    """Bilinear interpolation of ``[n, n, C]``, pixel by pixel."""
    n = x.shape[0]
    out = np.zeros((size, size, x.shape[-1]))
    for i in range(size):
        for j in range(size):
            y, z = (min(max((k + 0.5) * n / size - 0.5, 0), n - 1) for k in (i, j))
            top, left = int(y), int(z)
            bottom, right = min(top + 1, n - 1), min(left + 1, n - 1)
            dy, dz = y - top, z - left
            out[i, j] = ((1 - dy) * ((1 - dz) * x[top, left] + dz * x[top, right])) + dy * (
                (1 - dz) * x[bottom, left] + dz * x[bottom, right]
            )
    return out


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


# -- regions -------------------------------------------------------------------


@some_sizes
@hypothesis.given(size=st.integers(1, 13), n=st.integers(1, 13), seed=st.integers(0, 99))
def test_region_average_is_adaptive_average_pooling(size, n, seed):
    x = np.random.default_rng(seed).normal(size=(size, size, 2)).astype(np.float32)
    pooled = q.region_average(jnp.asarray(x), n)
    np.testing.assert_allclose(pooled, pooled_by_loop(x, n), rtol=1e-5, atol=1e-6)


@some_sizes
@hypothesis.given(n=st.integers(1, 13), size=st.integers(1, 13), seed=st.integers(0, 99))
def test_expand_is_bilinear_at_half_pixel_centres(n, size, seed):
    x = np.random.default_rng(seed).normal(size=(n, n, 2)).astype(np.float32)
    expanded = q.expand(jnp.asarray(x), size)
    np.testing.assert_allclose(expanded, expanded_by_loop(x, size), rtol=1e-5, atol=1e-6)


def test_regions_that_overlap_share_their_cells():
    # Five cells on three: 0-1, 1-3 and 3-4.
    matrix = q.pooling_matrix(5, 3)
    np.testing.assert_allclose(matrix[0], [1 / 2, 1 / 2, 0, 0, 0])
    np.testing.assert_allclose(matrix[1], [0, 1 / 3, 1 / 3, 1 / 3, 0])
    np.testing.assert_allclose(matrix[2], [0, 0, 0, 1 / 2, 1 / 2])


@pytest.mark.parametrize("n", [1, 2, 3, 5, 6])
def test_averaging_and_expanding_keep_a_constant_map(n):
    constant = jnp.full((5, 5, 1), 0.7)
    np.testing.assert_allclose(q.region_average(constant, n), 0.7, rtol=1e-6)
    np.testing.assert_allclose(q.expand(q.region_average(constant, n), 5), 0.7, rtol=1e-6)


def test_a_map_of_its_own_size_is_returned_bit_for_bit():
    x = jax.random.normal(jax.random.key(0), (5, 5, 3))
    assert (q.region_average(x, 5) == x).all() and (q.expand(x, 5) == x).all()


@pytest.mark.parametrize("resize", [q.region_average, q.expand])
@pytest.mark.parametrize("batch", BATCHES)
def test_resizing_takes_leading_axes_and_vmaps(material, resize, batch):
    resize = jax.jit(resize, static_argnums=1)
    x = material[0].reshape(-1, 5, 5, 4)[: int(np.prod(batch))].reshape(*batch, 5, 5, 4)
    whole = resize(x, 3)
    assert whole.shape == (*batch, 3, 3, 4)
    for index in np.ndindex(*batch):
        np.testing.assert_allclose(whole[index], resize(x[index], 3), atol=1e-6)
    if batch:
        np.testing.assert_allclose(jax.vmap(lambda y: resize(y, 3))(x), whole, atol=1e-6)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_resizing_rounds_low_precision_once(dtype):
    x = jax.random.normal(jax.random.key(0), (7, 7, 3)).astype(dtype)
    wide = x.astype("float32")
    for resize in (q.region_average, q.expand):
        narrow = resize(x, 3)
        assert narrow.dtype == dtype
        assert (narrow == resize(wide, 3).astype(dtype)).all()


# -- nearest code ----------------------------------------------------------------


@hypothesis.settings(max_examples=60, deadline=None)
@hypothesis.given(
    channels=st.sampled_from([1, 3]),
    num_codes=st.sampled_from([1, 13, 40]),
    seed=st.integers(0, 9999),
)
def test_nearest_code_is_the_nearest_and_of_ties_the_lowest(channels, num_codes, seed):
    # Small integers: all distances are exact, and ties are frequent.
    generator = np.random.default_rng(seed)
    x = generator.integers(-3, 4, (4, 6, channels))
    codebook = generator.integers(-3, 4, (num_codes, channels))
    distance = ((x[..., None, :] - codebook) ** 2).sum(-1)
    found = nearest_code(np.float32(x), np.float32(codebook))
    assert found.dtype == jnp.int32
    np.testing.assert_array_equal(found, distance.argmin(-1))


@pytest.mark.parametrize("num_codes", [1, 5, 8, 33])
def test_of_duplicated_codes_the_first_one_wins(num_codes):
    codebook = jax.random.normal(jax.random.key(0), (num_codes, 3))
    x = jax.random.normal(jax.random.key(1), (500, 3))
    found = nearest_code(x, jnp.concatenate([codebook] * 3))
    np.testing.assert_array_equal(found, nearest_code(x, codebook))


def test_nearest_code_of_real_vectors(material):
    e, codebook, _ = material
    distance = np.linalg.norm(np.asarray(e)[..., None, :] - np.asarray(codebook), axis=-1)
    found = nearest_code(e, codebook)
    assert found.shape == e.shape[:-1]
    np.testing.assert_array_equal(found, distance.argmin(-1))
    np.testing.assert_array_equal(nearest_code(e, codebook), found)
    rows = jax.vmap(nearest_code, in_axes=(0, None))(e, codebook)
    np.testing.assert_array_equal(rows, found)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_low_precision_vectors_get_their_nearest_code(dtype):
    # Distances themselves do not fit the dtype: 300^2 overflows float16.
    codebook = jnp.array([[300.0, 300.0], [304.0, 300.0], [300.0, 304.0]], dtype)
    assert nearest_code(codebook, codebook).tolist() == [0, 1, 2]


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


# -- the codebook ------------------------------------------------------------------


def test_code_statistics_by_hand():
    x = jnp.array([[1.0, 0.0], [3.0, 0.0], [0.0, 5.0]])
    counts, sums = q.code_statistics(x, jnp.array([2, 2, 0]), 3)
    assert counts.tolist() == [1, 0, 2]
    assert sums.tolist() == [[0, 5], [0, 0], [4, 0]]


def test_moving_average_step_by_hand():
    state = q.CodebookState(
        codebook=jnp.array([[2.0], [4.0]]),
        counts=jnp.array([1.0, 2.0]),
        sums=jnp.array([[2.0], [8.0]]),
    )
    after = q.update_codebook(
        state,
        jnp.array([3.0, 0.0]),
        jnp.array([[0.0], [0.0]]),
        jnp.array([[9.0], [9.0]]),
        decay=0.5,
    )
    # Counts (1 + 3) / 2 and (2 + 0) / 2; sums (2 + 0) / 2 and (8 + 0) / 2.
    assert after.counts.tolist() == [2, 1]
    assert after.sums.tolist() == [[1], [4]]
    assert after.codebook.tolist() == [[0.5], [4]]


def test_a_code_that_dies_is_revived_and_lives_on():
    state = q.CodebookState(
        codebook=jnp.array([[2.0], [4.0]]),
        counts=jnp.array([1.0, 0.03]),
        sums=jnp.array([[2.0], [0.12]]),
    )
    counts, sums = jnp.array([1.0, 0.0]), jnp.array([[2.0], [0.0]])
    after = q.update_codebook(state, counts, sums, jnp.array([[7.0], [9.0]]), decay=0.9)
    # 0.9 * 0.03 < 0.03: the second code moves to its candidate, the first stays.
    np.testing.assert_allclose(after.codebook, [[2], [9]], rtol=1e-6)
    np.testing.assert_allclose(after.counts, [1, 1], rtol=1e-6)
    again = q.update_codebook(after, counts, sums, jnp.array([[7.0], [7.0]]), decay=0.9)
    np.testing.assert_allclose(again.codebook, [[2], [9]], rtol=1e-6)


def test_a_codebook_in_balance_stays_where_it_is():
    state = q.init_codebook(jax.random.key(0), 5, 3)
    assert state.codebook.shape == (5, 3) and state.counts.tolist() == [1] * 5
    after = q.update_codebook(state, jnp.ones(5), state.codebook, jnp.zeros((5, 3)))
    np.testing.assert_allclose(after.codebook, state.codebook, rtol=1e-6)


@pytest.mark.parametrize("num_codes", [1, 7, 64])
def test_perplexity_of_even_use_is_the_number_of_codes(num_codes):
    use, perplexity = q.codebook_use(jnp.full(num_codes, 3.0))
    assert use == 1
    np.testing.assert_allclose(perplexity, num_codes, rtol=1e-5)


def test_codebook_use_of_few_codes():
    use, perplexity = q.codebook_use(jnp.array([4.0, 0, 0, 0]))
    assert (float(use), float(perplexity)) == (0.25, 1.0)
    use, perplexity = q.codebook_use(jnp.zeros(4))
    assert (float(use), float(perplexity)) == (0.0, 1.0)
    # Shares 1/2, 1/4, 1/4: entropy 1.5 bits.
    np.testing.assert_allclose(q.codebook_use(jnp.array([2.0, 1, 1, 0]))[1], 2**1.5, rtol=1e-5)
