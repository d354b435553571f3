"""Every loss against numbers worked out by hand."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax import losses

LN2 = float(np.log(2))


def maps(*corners: tuple[float, float]) -> jax.Array:
    """Maps ``[B, 2, 2, 2]`` that are 0 but for the two channels of one cell."""
    return jnp.zeros((len(corners), 2, 2, 2)).at[:, 0, 1].set(jnp.array(corners))


# -- step-wise consistency -----------------------------------------------------------


def test_step_consistency_by_hand():
    e = maps((3, 4), (6, 8))
    partials = jnp.stack([jnp.zeros_like(e), e / 2, e])
    # Norms 5 and 10 of the first scale, half of them after the second, then 0.
    assert float(losses.step_consistency(e, partials, 1.0)) == pytest.approx(7.5 + 3.75)
    assert float(losses.step_consistency(e, partials, 0.25)) == pytest.approx(11.25 / 4)


def test_every_scale_can_have_its_own_weight():
    e = maps((3, 4))
    partials = jnp.stack([jnp.zeros_like(e), e / 2, e])
    for weight in ([1.0, 10.0, 100.0], (1.0, 10.0, 100.0), jnp.array([1.0, 10.0, 100.0])):
        assert float(losses.step_consistency(e, partials, weight)) == pytest.approx(5 + 25)
    assert float(losses.step_consistency(e, partials, (0.0, 0.0, 1.0))) == 0


def test_step_consistency_takes_any_leading_axes():
    e = maps((3, 4), (6, 8))
    partials = jnp.zeros((1, *e.shape))
    assert float(losses.step_consistency(e[0], partials[:, 0], 1.0)) == pytest.approx(5)
    nested = losses.step_consistency(e[:, None], partials[:, :, None], 1.0)
    assert float(nested) == pytest.approx(7.5)


def test_step_consistency_has_a_finite_gradient_at_zero():
    e = maps((3, 4), (0, 0))
    partials = jnp.zeros((2, *e.shape)).at[1].set(e)
    gradient = jax.grad(losses.step_consistency)(e, partials, 1.0)
    # The gradient of a norm is the unit vector, halved by the mean; 0 at 0.
    np.testing.assert_allclose(gradient[0, 0, 1], [0.3, 0.4], rtol=1e-6)
    assert (gradient[1] == 0).all()


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_step_consistency_keeps_its_dtype(dtype):
    e = maps((3, 4)).astype(dtype)
    assert losses.step_consistency(e, jnp.zeros((2, *e.shape), dtype), 0.25).dtype == dtype


def test_step_consistency_compiles_once_and_agrees_with_itself():
    traces = []

    @jax.jit
    def fast(e, partials, weight):
        traces.append(None)
        return losses.step_consistency(e, partials, weight)

    e = jax.random.normal(jax.random.key(0), (6, 2, 2, 2))
    partials = e + jax.random.normal(jax.random.key(1), (3, *e.shape))
    weight = jnp.array([0.1, 0.2, 0.3])
    expected = losses.step_consistency(e, partials, weight)
    np.testing.assert_allclose(fast(e, partials, weight), expected, rtol=1e-6)
    fast(e + 1, partials, 2 * weight)
    assert len(traces) == 1
    # One map at a time: the mean over maps of what each contributes.
    each = jax.vmap(losses.step_consistency, in_axes=(0, 1, None))(e, partials, weight)
    np.testing.assert_allclose(each.mean(), expected, rtol=1e-5)


def test_constrained_scales_count_from_the_last():
    assert losses.constrained_scales(4, 0, 0.25) == (0, 0, 0, 0)
    assert losses.constrained_scales(4, 1, 0.25) == (0, 0, 0, 0.25)
    assert losses.constrained_scales(4, 4, 0.25) == (0.25,) * 4


@pytest.mark.parametrize("constrained", [-1, 5])
def test_more_scales_than_there_are_cannot_be_constrained(constrained):
    with pytest.raises(ValueError, match=f"constrained = {constrained}.* 0 .. 4"):
        losses.constrained_scales(4, constrained, 0.25)


# -- reconstruction ------------------------------------------------------------------


def graph(num_nodes: int = 3, num_ops: int = 4, real: int = 3):
    """One graph: all nodes of type 0, one edge 0 -> 1, the first nodes real."""
    ops = jnp.zeros((1, num_nodes, num_ops)).at[..., 0].set(1.0)
    adjacency = jnp.zeros((1, num_nodes, num_nodes)).at[0, 0, 1].set(1.0)
    mask = (jnp.arange(num_nodes) < real).astype(jnp.float32)[None]
    return ops, adjacency, mask


def test_cross_entropy_of_no_knowledge():
    no_logits = (jnp.zeros((1, 3, 4)), jnp.zeros((1, 3, 3)))
    value = losses.graph_cross_entropy(*no_logits, *graph())
    # Three nodes of four types, three pairs of yes or no.
    assert float(value) == pytest.approx(3 * np.log(4) + 3 * LN2)


def test_cross_entropy_by_hand():
    ops, adjacency, mask = graph(num_ops=2)
    # Odds 3 : 1 for the right type, 3 : 1 for the edge 0 -> 1 and for no other.
    op_logits = jnp.log(3.0) * ops
    edge_logits = jnp.log(3.0) * (2 * adjacency - 1)
    value = losses.graph_cross_entropy(op_logits, edge_logits, ops, adjacency, mask)
    assert float(value) == pytest.approx(6 * np.log(4 / 3), rel=1e-5)


def test_l2_by_hand():
    ops, adjacency, mask = graph(num_ops=2)
    # All probabilities are 1/2: 3 nodes of 2 types and 3 pairs are off by 1/2.
    value = losses.graph_l2(jnp.zeros_like(ops), jnp.zeros((1, 3, 3)), ops, adjacency, mask)
    assert float(value) == pytest.approx(1.5)


@pytest.mark.parametrize("loss", [losses.graph_cross_entropy, losses.graph_l2])
def test_padding_and_the_lower_triangle_do_not_count(loss):
    ops, adjacency, mask = graph(real=2)
    noise = jax.random.normal(jax.random.key(0), (1, 3, 3))
    unread = jnp.ones((3, 3)).at[0, 1].set(0)[None]  # all but the one pair of real nodes
    plain = loss(jnp.zeros_like(ops), jnp.zeros((1, 3, 3)), ops, adjacency, mask)
    disturbed = loss(
        jnp.zeros_like(ops).at[:, 2].set(5.0),
        unread * noise,
        ops.at[:, 2].set(0.0),
        adjacency + unread * noise,
        mask,
    )
    assert float(disturbed) == pytest.approx(float(plain))
    expected = 2 * np.log(4) + LN2 if loss is losses.graph_cross_entropy else None
    if expected is not None:
        assert float(plain) == pytest.approx(expected)


@pytest.mark.parametrize("loss", [losses.graph_cross_entropy, losses.graph_l2])
def test_reconstruction_is_the_mean_over_the_batch_and_falls_to_zero(loss):
    ops, adjacency, mask = (jnp.concatenate([x, x]) for x in graph())
    sure = (100 * (2 * ops - 1), 100 * (2 * adjacency - 1))
    assert float(loss(*sure, ops, adjacency, mask)) == pytest.approx(0, abs=1e-6)
    half = [x.at[1].set(0.0) for x in sure]
    one = loss(half[0][1:], half[1][1:], ops[1:], adjacency[1:], mask[1:])
    assert float(loss(*half, ops, adjacency, mask)) == pytest.approx(float(one) / 2)


def test_l2_has_a_finite_gradient_at_a_perfect_graph():
    ops, adjacency, mask = graph()
    gradient = jax.grad(losses.graph_l2, argnums=(0, 1))(
        1e4 * (2 * ops - 1), 1e4 * (2 * adjacency - 1), ops, adjacency, mask
    )
    assert all(jnp.isfinite(g).all() for g in gradient)


# -- the others ----------------------------------------------------------------------


def test_commitment_moves_the_encoder_alone():
    e, quantized = jnp.array([[1.0, 2.0]]), jnp.array([[1.0, 4.0]])
    assert float(losses.commitment(e, quantized)) == 2
    by_e, by_quantized = jax.grad(losses.commitment, argnums=(0, 1))(e, quantized)
    assert by_e.tolist() == [[0, -2]]
    assert by_quantized.tolist() == [[0, 0]]


def test_pairwise_ranking_by_hand():
    scores, values = jnp.array([0.0, 1.0, 0.9]), jnp.array([1.0, 3.0, 2.0])
    # In order by 1.0 and 0.9; by 0.1 the third pair lacks 0.4 of the margin.
    value = losses.pairwise_ranking(scores, values, margin=0.5)
    assert float(value) == pytest.approx(0.4 / 3)
    reversed_ = losses.pairwise_ranking(scores, -values, margin=0.5)
    assert float(reversed_) == pytest.approx((1.5 + 1.4 + 0.6) / 3)


def test_ties_and_nan_form_no_pair():
    scores = jnp.array([0.0, 1.0, 5.0])
    assert float(losses.pairwise_ranking(scores, jnp.ones(3))) == 0
    assert float(losses.pairwise_ranking(scores, jnp.full(3, jnp.nan))) == 0
    values = jnp.array([2.0, 1.0, jnp.nan])
    assert float(losses.pairwise_ranking(scores, values, margin=0.5)) == pytest.approx(1.5)
    gradient = jax.grad(losses.pairwise_ranking)(scores, values)
    assert gradient.tolist() == [-1, 1, 0]


def test_relative_distortion_by_hand():
    e = maps((3, 4), (-3, -4))  # variance 25 an architecture
    partials = jnp.stack([jnp.zeros_like(e), 0.8 * e, e])
    # Nothing explained, a fifth of the length left over, all explained.
    np.testing.assert_allclose(losses.relative_distortion(e, partials), [1, 0.04, 0], atol=1e-6)


def test_relative_distortion_of_a_constant_map_is_finite():
    e = jnp.ones((2, 2, 2, 1))
    assert jnp.isfinite(losses.relative_distortion(e, e[None])).all()
