"""Stage 1 without training: settings, codes in a row, the way there and back."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax import losses, spaces
from pnag_jax.models import stage1
from pnag_jax.models.stage1 import Stage1

NB201 = spaces.get("nb201")


@pytest.mark.parametrize(
    "field, value",
    [
        ("form", "cubic"),
        ("schedule", "quadratic"),
        ("reconstruction", "l1"),
        ("constrained", 7),
        ("constrained", -1),
        ("channels", 0),
        ("num_codes", 0),
        ("width", 0),
        ("hidden", 0),
        ("num_layers", -1),
        ("scc_weight", -0.1),
        ("partial_weight", float("nan")),
        ("ema_decay", 1.0),
    ],
)
def test_a_bad_setting_names_its_field_and_value(field, value):
    with pytest.raises(ValueError, match=f"^{field} = '?{value}.*accepted are"):
        Stage1(space=NB201, **{field: value})


def test_settings_compare_and_hash_by_value():
    assert Stage1(space=NB201) == Stage1(space=NB201)
    assert hash(Stage1(space=NB201)) == hash(Stage1(space=NB201))
    assert Stage1(space=NB201) != Stage1(space=NB201, channels=3)


def test_scales_and_their_weights():
    assert Stage1(space=NB201).scales == (3, 4, 5, 6, 7, 8)
    assert Stage1(space=NB201, schedule="geometric").scales == (3, 4, 5, 6, 8)
    assert Stage1(space=NB201, scc_weight=0.5).scale_weights == (0.5,) * 6
    some = Stage1(space=NB201, scc_weight=0.5, constrained=2)
    assert some.scale_weights == (0, 0, 0, 0, 0.5, 0.5)
    assert Stage1(space=NB201, constrained=0).scale_weights == (0,) * 6


@pytest.mark.parametrize("scales", [(3,), (3, 4, 5), (3, 4, 5, 6, 8)])
def test_upper_and_from_upper_are_inverse(scales):
    count = sum(n * (n + 1) // 2 for n in scales)
    flat = np.random.default_rng(0).integers(0, 99, (2, 3, count)).astype(np.int32)
    codes = stage1.from_upper(jnp.asarray(flat), scales)
    assert [c.shape for c in codes] == [(2, 3, n, n) for n in scales]
    for c in codes:
        np.testing.assert_array_equal(c, jnp.swapaxes(c, -1, -2))
    np.testing.assert_array_equal(stage1.upper(codes), flat)


def test_upper_is_in_raster_order_scale_by_scale():
    codes = (jnp.arange(4).reshape(2, 2), 10 + jnp.arange(9).reshape(3, 3))
    assert stage1.upper(codes).tolist() == [0, 1, 3, 10, 11, 12, 14, 15, 18]
    positions = stage1.upper_positions((2, 3))
    assert positions[:4].tolist() == [[0, 0, 0], [0, 0, 1], [0, 1, 1], [1, 0, 0]]
    for code, (t, row, column) in zip(stage1.upper(codes), positions, strict=True):
        assert code == codes[t][row, column]


@pytest.mark.parametrize("form", ["residual", "literal", "refined"])
def test_encode_and_decode_fit_together(form):
    model = Stage1(
        space=NB201, form=form, channels=4, num_codes=8, width=8, hidden=8, learned_phi=True
    )

    @jax.jit
    def there_and_back(key):
        variables = stage1.init(key, model)
        genotypes = NB201.sample(jax.random.key(1), 5)
        e, quantized = stage1.embed(model, variables, genotypes)
        maps = stage1.partial_maps(model, variables, quantized.codes)
        upper = stage1.from_upper(stage1.upper(quantized.codes), model.scales)
        logits = stage1.decode(model, variables, maps)
        return e, quantized, maps, upper, logits

    e, quantized, maps, upper, logits = there_and_back(jax.random.key(0))
    assert e.shape == (5, 8, 8, 4)
    np.testing.assert_allclose(maps, quantized.partials, atol=1e-4)
    # The maps are symmetric, and so are all codes.
    for code, again in zip(quantized.codes, upper, strict=True):
        np.testing.assert_array_equal(code, again)
    assert logits[0].shape == (6, 5, 8, 7) and logits[1].shape == (6, 5, 8, 8)


def test_normalization_by_hand():
    raw = jnp.array([1.0, 3.0]).reshape(2, 1, 1, 1)
    e = stage1.normalize(raw, jnp.full((1, 1, 1), 2.0), jnp.array([4.0]))
    np.testing.assert_allclose(e.ravel(), [-0.5, 0.5], rtol=1e-5)


@pytest.mark.parametrize(
    "name, loss", [("cross_entropy", losses.graph_cross_entropy), ("l2", losses.graph_l2)]
)
def test_the_model_names_its_reconstruction_loss(name, loss):
    graph = NB201.to_graph(NB201.sample(jax.random.key(0), 3))
    logits = (jnp.zeros_like(graph.ops), jnp.zeros_like(graph.adjacency))
    value = stage1.reconstruction_loss(Stage1(space=NB201, reconstruction=name), logits, graph)
    assert float(value) == pytest.approx(float(loss(*logits, *graph)))
