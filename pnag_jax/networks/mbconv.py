"""Inverted residual layers, alone and as one that the data make smaller.

Sandler et al., "MobileNetV2", CVPR 2018; with squeeze-and-excitation as Tan et
al., "MnasNet", CVPR 2019, place it: behind the depthwise convolution's
activation.

Letters of shapes: ``B`` images of a batch, ``H`` and ``W`` their sides, ``C``
channels, ``E`` expanded channels.
"""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import traverse_util

from pnag_jax.networks import layers
from pnag_jax.networks.layers import ConvBn

ACTIVATIONS = {"relu": nn.relu, "swish": nn.swish, "hard_swish": nn.hard_swish}
GATES = {"sigmoid": nn.sigmoid, "hard_sigmoid": nn.hard_sigmoid}


class SqueezeExcite(nn.Module):
    """Scales channels by what the whole image says of them.

    Hu et al., "Squeeze-and-Excitation Networks", CVPR 2018.

    Attributes:
      squeezed: channels between the two dense layers.
      gate: a key of ``GATES``.
    """

    squeezed: int
    gate: str = "sigmoid"

    @nn.compact
    def __call__(self, x: jax.Array, kept: jax.Array | None = None) -> jax.Array:
        """``[B, H, W, E] -> [B, H, W, E]``; ``kept`` bool ``[squeezed]`` or all."""
        mean = layers.global_pool(x)
        hidden = nn.relu(nn.Dense(self.squeezed, name="reduce")(mean))
        if kept is not None:
            hidden = jnp.where(kept, hidden, 0)
        scale = GATES[self.gate](nn.Dense(x.shape[-1], name="excite")(hidden))
        return x * scale[:, None, None]


class MBConv(nn.Module):
    """One inverted residual layer, with a shortcut where the shapes allow it.

    Attributes:
      features: channels out.
      expansion: expanded channels / channels in; 1 for no first convolution.
      kernel: odd side of the depthwise kernel.
      stride: of the depthwise convolution.
      squeezed: channels that squeeze-and-excitation squeezes to; 0 for none.
      activation: a key of ``ACTIVATIONS``.
      gate: a key of ``GATES``.
    """

    features: int
    expansion: int
    kernel: int
    stride: int = 1
    squeezed: int = 0
    activation: str = "relu"
    gate: str = "sigmoid"

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """``[B, H, W, C] -> [B, H / stride, W / stride, features]``."""
        act, hidden, y = ACTIVATIONS[self.activation], self.expansion * x.shape[-1], x
        if self.expansion > 1:
            y = act(ConvBn(hidden, name="expand")(y, train))
        y = act(ConvBn(hidden, self.kernel, self.stride, hidden, name="depthwise")(y, train))
        if self.squeezed:
            y = SqueezeExcite(self.squeezed, self.gate, name="squeeze")(y)
        return _with_shortcut(x, ConvBn(self.features, name="project")(y, train), self.stride)


class AnyMBConv(nn.Module):
    """An inverted residual layer of which the data choose expansion, kernel and squeeze.

    It has the parameters of the largest choice.  A smaller kernel is the middle
    of the largest, a smaller expansion its first channels: batch norm treats
    every channel alone, and what is not asked for is 0 before channels meet.
    ``copy_in`` puts the variables of an ``MBConv`` in their places.

    Attributes:
      features: channels out.
      expansions: choices, ascending.
      kernels: choices, ascending.
      squeezed: of every expansion; 0 for none.
      stride, activation, gate: as in ``MBConv``.
    """

    features: int
    expansions: tuple[int, ...]
    kernels: tuple[int, ...]
    squeezed: tuple[int, ...] = ()
    stride: int = 1
    activation: str = "relu"
    gate: str = "sigmoid"

    @nn.compact
    def __call__(
        self,
        x: jax.Array,
        expansion: jax.Array,
        kernel: jax.Array,
        train: bool,
        squeeze: jax.Array | bool = True,
    ) -> jax.Array:
        """One layer.

        Args:
          x: ``[B, H, W, C]``.
          expansion: int ``[]``, the number of the choice.
          kernel: int ``[]``, the same.
          train: whether batch norm takes the batch's moments.
          squeeze: bool ``[]``, whether there is a squeeze where there may be one.
        """
        act, channels = ACTIVATIONS[self.activation], x.shape[-1]
        hidden = self.expansions[-1] * channels
        used = jnp.asarray(self.expansions)[expansion] * channels
        kept = jnp.arange(hidden) < used
        y = act(ConvBn(hidden, name="expand")(x, train))
        if self.expansions[0] == 1:
            # Without expansion the channels pass as they are.
            plain = jnp.pad(x, ((0, 0),) * 3 + ((0, hidden - channels),))
            y = jnp.where(expansion == 0, plain, y)
        from_middle = jnp.abs(jnp.arange(self.kernels[-1]) - self.kernels[-1] // 2)
        inside = from_middle <= jnp.asarray(self.kernels)[kernel] // 2
        depthwise = MaskedConvBn(hidden, self.kernels[-1], self.stride, hidden, name="depthwise")
        y = act(depthwise(y, (inside[:, None] & inside)[..., None, None], train))
        y = jnp.where(kept, y, 0)
        if any(self.squeezed):
            squeezed = jnp.arange(max(self.squeezed)) < jnp.asarray(self.squeezed)[expansion]
            gated = SqueezeExcite(max(self.squeezed), self.gate, name="squeeze")(y, squeezed)
            y = jnp.where(squeeze, gated, y)
        y = MaskedConvBn(self.features, name="project")(y, kept[:, None], train)
        return _with_shortcut(x, y, self.stride)


class MaskedConvBn(nn.Module):
    """A convolution of which the data leave a part of the kernel, and batch norm.

    What is left is initialized as a kernel of its own size would be.

    Attributes:
      features, kernel, stride, groups: as in ``ConvBn``.
    """

    features: int
    kernel: int = 1
    stride: int = 1
    groups: int = 1

    @nn.compact
    def __call__(self, x: jax.Array, mask: jax.Array, train: bool) -> jax.Array:
        """``[B, H, W, C] -> [B, H / stride, W / stride, features]``.

        Args:
          x: images.
          mask: bool, of the kernel ``[kernel, kernel, C / groups, features]`` or
            what broadcasts to it.
          train: as in ``ConvBn``.
        """
        shape = (self.kernel, self.kernel, x.shape[-1] // self.groups, self.features)
        full = nn.initializers.he_normal()

        def of_the_part(key: jax.Array, shape: tuple[int, ...], dtype: Any) -> jax.Array:
            return full(key, shape, dtype) / jnp.sqrt(mask.mean())

        conv = nn.Conv(
            self.features,
            (self.kernel, self.kernel),
            strides=self.stride,
            padding=self.kernel // 2,
            feature_group_count=self.groups,
            use_bias=False,
            kernel_init=of_the_part,
            mask=jnp.broadcast_to(mask, shape).astype(x.dtype),
            name="conv",
        )
        return layers.batch_norm(train)(conv(x))


def copy_in(network: dict, population: dict) -> dict:
    """The variables of a population with those of one network in their places.

    Args:
      network: variables of the concrete network; every leaf has a namesake.
      population: variables of the network that takes genotypes as data.

    Returns:
      ``population`` with every leaf of ``network`` written over its namesake: at
      the start of every axis, but in the middle of a kernel's two sides.
    """
    result = traverse_util.flatten_dict(population)
    for path, small in traverse_util.flatten_dict(network).items():
        large = result[path]
        sides = 2 if small.ndim == 4 else 0
        start = [
            (a - b) // 2 if axis < sides else 0
            for axis, (a, b) in enumerate(zip(large.shape, small.shape, strict=True))
        ]
        result[path] = jax.lax.dynamic_update_slice(large, jnp.asarray(small, large.dtype), start)
    return traverse_util.unflatten_dict(result)


def _with_shortcut(x: jax.Array, y: jax.Array, stride: int) -> jax.Array:
    """The residual ``y`` on ``x`` where a layer keeps size and channels, else ``y``."""
    return x + y if stride == 1 and x.shape[-1] == y.shape[-1] else y
