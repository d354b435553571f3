"""The vision transformers of AutoFormer.

Chen et al., ICCV 2021; relative positions of rows and columns as Wu et al.,
"Rethinking and Improving Relative Position Encoding for Vision Transformer",
ICCV 2021, in tables that the heads of a layer share.

Letters of shapes: ``B`` images, ``S`` patches on a side, ``T`` = S^2 + 1 tokens,
the class token first, ``P`` = S + 1 places on an axis, of which 0 is the class
token's, ``D`` width, ``H`` heads, ``K`` = 64 width of a head, ``R`` rows of a
table.
"""

from __future__ import annotations

import dataclasses
import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from pnag_jax.errors import UsageError
from pnag_jax.networks import layers, transformer
from pnag_jax.networks.transformer import Mlp
from pnag_jax.spaces.autoformer import Autoformer
from pnag_jax.spaces.autoformer_costs import FURTHEST, HEAD_WIDTH, IMAGE, PATCH, TABLE


@dataclasses.dataclass(frozen=True)
class Skeleton:
    """What is around the layers; the defaults are the paper's.

    Attributes:
      image_size: side of an image in pixels, a multiple of ``patch``.
      patch: side of a patch.
      drop_path: rate of the last layer; it grows from 0 at the first one.
    """

    image_size: int = IMAGE
    patch: int = PATCH
    drop_path: float = 0.1

    def __post_init__(self) -> None:
        if self.image_size % self.patch:
            raise UsageError(
                f"skeleton of autoformer: image_size = {self.image_size}; accepted are multiples"
                f" of patch = {self.patch}"
            )


@functools.cache
def _places(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Of all tokens, place on either axis and row of the table for every place.

    Returns:
      int ``[2, T]`` and int ``[2, T, P]``: rows of patches first, then columns.
    """
    row, column = np.divmod(np.arange(side**2), side)
    place = np.concatenate([np.zeros((2, 1), int), 1 + np.stack([row, column])], axis=1)
    away = np.arange(side + 1) - place[..., None]
    index = np.clip(away, -FURTHEST, FURTHEST) + FURTHEST + 1
    with_class = (place[..., None] == 0) | (np.arange(side + 1) == 0)
    return place, np.where(with_class, 0, index)


class Attention(nn.Module):
    """Attention whose keys and values know relative positions.

    Attributes:
      heads: ``H``.
    """

    heads: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """``[B, T, D] -> [B, T, D]``."""
        side = round((x.shape[1] - 1) ** 0.5)
        place, index = _places(side)
        q, k, v = (transformer.heads(x, self.heads, HEAD_WIDTH, name) for name in "qkv")
        shape = (2, TABLE, HEAD_WIDTH)  # rows, columns
        of_keys, of_values = (
            self.param(f"relative_{name}", transformer.INIT, shape) for name in "kv"
        )
        scores = transformer.scores(q, k)
        for axis in range(2):
            by_place = jnp.einsum("bthk,tpk->bhtp", q, of_keys[axis][index[axis]])
            scores += by_place[..., place[axis]]
        shares = jax.nn.softmax(scores * HEAD_WIDTH**-0.5, axis=-1)
        out = transformer.mixed(shares, v)
        for axis in range(2):
            by_place = _summed(shares, side, axis)
            out += jnp.einsum("bhtp,tpk->bthk", by_place, of_values[axis][index[axis]])
        return transformer.merged(out, x.shape[-1], "out")


def _summed(shares: jax.Array, side: int, axis: int) -> jax.Array:
    """Shares of all tokens at each place of an axis: ``[B, H, T, T] -> [B, H, T, P]``."""
    patches = shares[..., 1:].reshape(*shares.shape[:-1], side, side)
    # Rows are told apart, and summed over their columns, or the other way round.
    return jnp.concatenate([shares[..., :1], patches.sum(axis=-1 - axis)], axis=-1)


class Layer(nn.Module):
    """Attention and a dense part, each added to what it reads.

    Attributes:
      heads: of the attention.
      ratio: of the inner width to ``D``.
      drop_path: rate at which either part is dropped.
    """

    heads: int
    ratio: float
    drop_path: float

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """``[B, T, D] -> [B, T, D]``."""
        inner = int(x.shape[-1] * self.ratio)
        activation = functools.partial(nn.gelu, approximate=False)
        parts = (Attention(self.heads, name="attention"), Mlp(inner, activation, name="mlp"))
        for i, part in enumerate(parts):
            branch = part(nn.LayerNorm(epsilon=1e-5, name=f"norm{i}")(x))
            if train and self.drop_path:
                branch = layers.drop_path(branch, self.drop_path, self.make_rng("drop_path"))
            x += branch
        return x


class Network(nn.Module):
    """The vision transformer of one genotype.

    Attributes:
      genotype: see ``spaces.autoformer``.
      num_classes: logits.
      skeleton: what is around the layers.
    """

    genotype: tuple[int, ...]
    num_classes: int
    skeleton: Skeleton = Skeleton()

    @nn.compact
    def __call__(self, images: jax.Array, *, train: bool = False) -> jax.Array:
        """``[B, image_size, image_size, C] -> [B, num_classes]``."""
        config = Autoformer().config(np.array(self.genotype))
        size, patch, width = self.skeleton.image_size, self.skeleton.patch, config["hidden_dim"]
        if images.shape[1:3] != (size, size):
            raise UsageError(f"images of {images.shape[1:3]} pixels; accepted are {(size, size)}")
        x = nn.Conv(width, (patch, patch), strides=patch, padding="VALID", name="patches")(images)
        x = x.reshape(len(x), -1, width)
        first = self.param("class_token", transformer.INIT, (1, 1, width))
        x = jnp.concatenate([jnp.broadcast_to(first, (len(x), 1, width)), x], axis=1)
        x += self.param("positions", transformer.INIT, (1, *x.shape[1:]))
        rates = np.linspace(0, self.skeleton.drop_path, config["depth"]).tolist()
        parts = zip(config["num_heads"], config["mlp_ratio"], rates, strict=True)
        for i, (heads, ratio, rate) in enumerate(parts):
            x = Layer(heads, ratio, rate, name=f"layer{i}")(x, train)
        x = nn.LayerNorm(epsilon=1e-5, name="norm")(x)
        # The mean of the patches; the class token only takes part in the layers.
        return nn.Dense(self.num_classes, kernel_init=transformer.INIT, name="classifier")(
            x[:, 1:].mean(axis=1)
        )
