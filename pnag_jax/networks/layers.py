"""Layers that networks of several spaces are made of; channels last.

Letters of shapes: ``B`` images of a batch, ``H`` and ``W`` their sides, ``C``
channels.  Padding is symmetric, as in the frameworks that the literature's
networks were trained with: a strided convolution with XLA's own ``SAME`` would
see other pixels.
"""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

MOMENTUM = 0.9
EPSILON = 1e-5


class ConvBn(nn.Module):
    """A convolution without bias, and batch norm behind it.

    Attributes:
      features: channels out.
      kernel: odd side of the kernel.
      stride: of the convolution.
      groups: of the channels; the channels in for a depthwise one.
    """

    features: int
    kernel: int = 1
    stride: int = 1
    groups: int = 1

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """``[B, H, W, C] -> [B, H / stride, W / stride, features]``."""
        x = conv(self.features, self.kernel, self.stride, self.groups)(x)
        return batch_norm(train)(x)


class ReluConvBn(nn.Module):
    """ReLU, convolution, batch norm: the operation of cells; fields as ``ConvBn``."""

    features: int
    kernel: int = 1
    stride: int = 1

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """``[B, H, W, C] -> [B, H / stride, W / stride, features]``."""
        x = conv(self.features, self.kernel, self.stride)(nn.relu(x))
        return batch_norm(train)(x)


def conv(features: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> nn.Conv:
    """A convolution without bias that keeps the size at stride 1."""
    return nn.Conv(
        features,
        (kernel, kernel),
        strides=stride,
        padding=kernel // 2,
        feature_group_count=groups,
        use_bias=False,
        kernel_init=nn.initializers.he_normal(),
        name="conv",
    )


def batch_norm(train: bool, axis: int = -1) -> nn.BatchNorm:
    """Batch norm over all axes but ``axis``; with the running moments unless ``train``."""
    return nn.BatchNorm(
        use_running_average=not train,
        axis=axis,
        momentum=MOMENTUM,
        epsilon=EPSILON,
        name="bn",
    )


def avg_pool(x: jax.Array, size: int = 3, stride: int = 1) -> jax.Array:
    """The mean of the pixels under a window; those outside the image do not count."""
    edge = (size - 1) // 2
    return nn.avg_pool(
        x, (size, size), (stride, stride), ((edge, edge), (edge, edge)), count_include_pad=False
    )


def global_pool(x: jax.Array) -> jax.Array:
    """The mean over all pixels: ``[B, H, W, C] -> [B, C]``."""
    return jnp.mean(x, axis=(1, 2))


def drop_path(x: jax.Array, rate: float, key: jax.Array) -> jax.Array:
    """Drops the whole of an example's branch, and scales up what stays.

    Huang et al., "Deep Networks with Stochastic Depth", ECCV 2016.

    Args:
      x: ``[B, ...]``, a residual branch.
      rate: probability of a drop, in ``[0, 1)``.
      key: consumed; ``module.make_rng("drop_path")``.
    """
    kept = jax.random.bernoulli(key, 1 - rate, (x.shape[0],) + (1,) * (x.ndim - 1))
    return jnp.where(kept, x / (1 - rate), 0)
