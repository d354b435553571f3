"""Losses of the architecture quantizer.  Pure functions, each one scalar out.

Letters: ``B`` batch, ``N`` nodes, ``F`` node types, ``C`` channels, ``T``
scales.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike


def _l2_norm(x: jax.Array, axes: tuple[int, ...]) -> jax.Array:
    """L2 norm over ``axes``, with gradient 0 (not NaN) at 0."""
    squared = jnp.sum(x**2, axis=axes)
    positive = squared > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, squared, 1)), 0)


def step_consistency(
    e: jax.Array, partials: jax.Array, weight: ArrayLike | Sequence[float]
) -> jax.Array:
    """Step-wise consistency constraint R_SCC (Yu et al., CVPR 2026).

    ``sum_t weight_t * mean_B ||e - partial_t||_2``: every scale's
    accumulated map is pulled towards the whole one, so that each step of the
    coarse-to-fine path is near an architecture.

    Args:
      e: ``[..., N, N, C]``.
      partials: ``[T, ..., N, N, C]``.
      weight: lambda, a scalar or one value a scale ``[T]`` (zeros leave
        scales unconstrained).

    >>> e = jnp.array([3.0, 4.0]).reshape(1, 1, 1, 2)
    >>> float(step_consistency(e, jnp.stack([0 * e, e]), 0.25))  # (5 + 0) / 4
    1.25
    """
    norms = _l2_norm(e - partials, (-3, -2, -1))
    per_scale = norms.reshape(norms.shape[0], -1).mean(axis=1)
    return jnp.sum(jnp.asarray(weight, per_scale.dtype) * per_scale)


def constrained_scales(num_scales: int, constrained: int, weight: float) -> tuple[float, ...]:
    """Weights of ``step_consistency`` that constrain the last scales only.

    Args:
      num_scales: ``T``.
      constrained: how many scales, counted from the last, carry ``weight``;
        0 switches the penalty off, ``T`` is the full one.
      weight: lambda.

    Raises:
      ValueError: ``constrained`` is not in ``0 .. T``.

    >>> constrained_scales(4, 2, 0.25)
    (0.0, 0.0, 0.25, 0.25)
    """
    if not 0 <= constrained <= num_scales:
        raise ValueError(f"constrained = {constrained}; accepted are 0 .. {num_scales}")
    return (0.0,) * (num_scales - constrained) + (weight,) * constrained


def graph_cross_entropy(
    op_logits: jax.Array,
    edge_logits: jax.Array,
    ops: jax.Array,
    adjacency: jax.Array,
    mask: jax.Array,
) -> jax.Array:
    """Negative log-likelihood of a graph, in nats an architecture.

    Categorical over the node types, Bernoulli over the strict upper triangle
    of the adjacency; padding nodes do not count.

    Args:
      op_logits: ``[B, N, F]``.
      edge_logits: ``[B, N, N]``.
      ops: ``[B, N, F]`` one-hot.
      adjacency: ``[B, N, N]``.
      mask: ``[B, N]``.
    """
    node = -jnp.sum(ops * jax.nn.log_softmax(op_logits), axis=-1) * mask
    edge = jax.nn.softplus(edge_logits) - adjacency * edge_logits
    pairs = jnp.triu(mask[..., :, None] * mask[..., None, :], k=1)
    return jnp.mean(node.sum(-1) + (edge * pairs).sum((-2, -1)))


def graph_l2(
    op_logits: jax.Array,
    edge_logits: jax.Array,
    ops: jax.Array,
    adjacency: jax.Array,
    mask: jax.Array,
) -> jax.Array:
    """The paper's reconstruction term: mean L2 norm of Arc - Arc^.

    Shapes as in ``graph_cross_entropy``; logits become probabilities first.
    """
    pairs = jnp.triu(mask[..., :, None] * mask[..., None, :], k=1)
    node = (jax.nn.softmax(op_logits) - ops) * mask[..., None]
    edge = (jax.nn.sigmoid(edge_logits) - adjacency) * pairs
    flat = [x.reshape(x.shape[0], -1) for x in (node, edge)]
    return _l2_norm(jnp.concatenate(flat, axis=1), (1,)).mean()


def commitment(e: jax.Array, quantized: jax.Array) -> jax.Array:
    """Pulls the encoder towards its codes: mean squared error.

    The gradient reaches ``e`` alone.

    Args:
      e: ``[..., C]``.
      quantized: like ``e``.

    >>> float(commitment(jnp.array([1.0, 2.0]), jnp.array([1.0, 4.0])))
    2.0
    """
    return jnp.mean((e - jax.lax.stop_gradient(quantized)) ** 2)


def pairwise_ranking(scores: jax.Array, values: jax.Array, margin: float = 0.1) -> jax.Array:
    """Mean hinge over all ordered pairs: ``max(0, margin - (s_i - s_j))``.

    Args:
      scores: ``[B]`` predictions.
      values: ``[B]`` targets; pairs with ``values_i > values_j`` count, and
        NaN forms no pair.
      margin: in units of ``scores``.

    >>> float(pairwise_ranking(jnp.array([0.0, 1.0]), jnp.array([2.0, 1.0]), margin=0.5))
    1.5
    """
    ordered = values[:, None] > values[None, :]
    hinge = jnp.maximum(0.0, margin - (scores[:, None] - scores[None, :]))
    return jnp.sum(jnp.where(ordered, hinge, 0)) / jnp.maximum(ordered.sum(), 1)


def gaussian_nll(mean: jax.Array, log_variance: jax.Array, values: jax.Array) -> jax.Array:
    """Mean negative log-likelihood of normal distributions, in nats a value.

    Args:
      mean: predictions.
      log_variance: of the same shape.
      values: of the same shape; NaN is no value.

    >>> zero = jnp.zeros(2)
    >>> round(float(gaussian_nll(zero, zero, jnp.array([1.0, jnp.nan]))), 4)  # log(2 pi) / 2 + 0.5
    1.4189
    """
    known = ~jnp.isnan(values)
    # Replaced before the square: the gradient of what is masked afterwards is NaN.
    error = jnp.where(known, values, mean) - mean
    nats = 0.5 * (jnp.log(2 * jnp.pi) + log_variance + error**2 * jnp.exp(-log_variance))
    return jnp.sum(jnp.where(known, nats, 0)) / jnp.maximum(known.sum(), 1)


def relative_distortion(e: jax.Array, partials: jax.Array) -> jax.Array:
    """V of every scale relative to the variance of ``e``: ``[T]``.

    ``V_t = mean ||e - partial_t||^2``; 1 means that a scale explains
    nothing.  It must fall with ``t`` on held-out architectures.

    Args:
      e: ``[B, N, N, C]``.
      partials: ``[T, B, N, N, C]``.

    >>> e = jnp.array([-1.0, 1.0]).reshape(2, 1, 1, 1)
    >>> relative_distortion(e, jnp.stack([0 * e, 0.5 * e, e])).tolist()
    [1.0, 0.25, 0.0]
    """
    distortion = jnp.mean(jnp.sum((e - partials) ** 2, axis=(-3, -2, -1)), axis=-1)
    variance = jnp.mean(jnp.sum((e - e.mean(axis=0)) ** 2, axis=(-3, -2, -1)))
    return distortion / jnp.maximum(variance, jnp.finfo(e.dtype).tiny)
