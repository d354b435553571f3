"""NAS-Bench-Macro: a chain of eight layers, three blocks a layer.

Su et al., "Prioritized Architecture Sampling with Monto-Carlo Tree Search",
CVPR 2021.

The genotype has one gene a layer.  The standard network is MobileNet-like: a
3x3 stem, three stages that each begin with a layer of stride 2 and twice the
channels, a 1x1 head and a classifier.  In the first layer of a stage
``identity`` is a strided 1x1 convolution, elsewhere it computes nothing.
"""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from pnag_jax.spaces import chain, mbconv
from pnag_jax.spaces.base import Graph, Labels, Space, SpaceError, as_scores, over_batch
from pnag_jax.spaces.mbconv import Layer

OPS = ("identity", "mbconv_e3_k3", "mbconv_e6_k5")
IDENTITY = 0

# (expansion, kernel) of the two inverted residual blocks, in gene order.
MBCONVS = ((3, 3), (6, 5))


IMAGE_CHANNELS = 3
STEM_KERNEL = 3
STEM_CHANNELS = 32
HEAD_CHANNELS = 1280
IMAGE_SIDE = 32
LAYERS = (
    Layer(32, 64, side=32, stride=2),
    Layer(64, 64, side=16, stride=1),
    Layer(64, 128, side=16, stride=2),
    Layer(128, 128, side=8, stride=1),
    Layer(128, 128, side=8, stride=1),
    Layer(128, 256, side=8, stride=2),
    Layer(256, 256, side=4, stride=1),
    Layer(256, 256, side=4, stride=1),
)

# Neighbouring layers in which ``identity`` computes nothing: a block and an
# identity may change places there.
_INTERCHANGEABLE = tuple(
    (i, i + 1)
    for i in range(len(LAYERS) - 1)
    if LAYERS[i].stride == 1 and LAYERS[i + 1].stride == 1
)


@dataclasses.dataclass(frozen=True)
class Macro(Space):
    """The space of 3^8 = 6,561 chains, all of them valid.

    An identity beside a block of the same stage may stand before or after
    it, so that the chains fall into 3,969 classes; the table gives all members
    of a class the same measurements.
    """

    name: str = "macro"
    fields: tuple[str, ...] = tuple(f"layer{i}" for i in range(len(LAYERS)))
    choices: tuple[int, ...] = (len(OPS),) * len(LAYERS)
    op_names: tuple[str, ...] = ("input", *OPS, "output")
    num_nodes: int = len(LAYERS) + 2
    size: int = len(OPS) ** len(LAYERS)

    def sample(self, key: jax.Array, n: int) -> jax.Array:
        return jax.random.randint(key, (n, self.genotype_length), 0, len(OPS))

    def is_valid(self, genotype: ArrayLike) -> jax.Array:
        return self.in_range(genotype)

    def canonical(self, genotype: ArrayLike) -> jax.Array:
        """Identities stand before the blocks that they may change places with."""
        genotype = jnp.asarray(genotype, jnp.int32)
        for first, second in _INTERCHANGEABLE:
            a, b = genotype[..., first], genotype[..., second]
            swap = b == IDENTITY
            genotype = genotype.at[..., first].set(jnp.where(swap, b, a))
            genotype = genotype.at[..., second].set(jnp.where(swap, a, b))
        return genotype

    @over_batch(1)
    def to_graph(self, genotype: jax.Array) -> Graph:
        return chain.graph(genotype, len(OPS))

    def from_graph(self, op_logits: ArrayLike, edge_logits: ArrayLike) -> jax.Array:
        """The best block of each layer; the chain itself is fixed."""
        del edge_logits
        scores = as_scores(op_logits)[..., 1:-1, 1:-1]
        return jnp.argmax(scores, axis=-1).astype(jnp.int32)

    def sub_architecture(self, genotype: ArrayLike, n: int) -> jax.Array:
        """Keeps ``n - 2`` layers spread over the depth (``chain.kept``), others are identity."""
        self.check_sub_size(n)
        kept = chain.kept(len(LAYERS), n - 2)
        return jnp.where(jnp.asarray(kept), jnp.asarray(genotype), IDENTITY)

    def params(self, genotype: ArrayLike, num_classes: int = 10) -> jax.Array:
        return chain.total(genotype, _layer_params(), _fixed_params(num_classes))

    def flops(self, genotype: ArrayLike, num_classes: int = 10) -> jax.Array:
        """Of the convolutions and the classifier, for one 32 x 32 image."""
        return chain.total(genotype, _layer_flops(), _fixed_flops(num_classes))

    def to_string(self, genotype: ArrayLike) -> str:
        """One digit a layer, e.g. ``"02102211"``."""
        return "".join(map(str, self.check(genotype)))

    def from_string(self, text: str) -> np.ndarray:
        digits = text.strip()
        if len(digits) != self.genotype_length or not set(digits) <= set("012"):
            raise SpaceError(
                f"macro: {text!r} is not {self.genotype_length} digits of 0 ({OPS[0]}), "
                f"1 ({OPS[1]}) and 2 ({OPS[2]})"
            )
        return np.array([int(digit) for digit in digits], np.int32)

    def labels(self, genotype: ArrayLike) -> Labels:
        """Input, the eight blocks and output as nodes of a chain."""
        return chain.labels(tuple(OPS[gene] for gene in self.check(genotype)))


def _block_params(op: int, layer: Layer) -> int:
    if op != IDENTITY:
        return mbconv.params(layer, *MBCONVS[op - 1])
    return mbconv.conv_params(layer.channels_in, layer.channels_out) if layer.stride == 2 else 0


def _block_flops(op: int, layer: Layer) -> int:
    if op != IDENTITY:
        return mbconv.flops(layer, *MBCONVS[op - 1])
    pointwise = layer.channels_in * layer.channels_out * layer.side_out**2
    return pointwise if layer.stride == 2 else 0


@functools.cache
def _layer_params() -> np.ndarray:
    """Parameters of every block in every layer: int32 ``[8, 3]``."""
    return np.array([[_block_params(o, la) for o in range(len(OPS))] for la in LAYERS], np.int32)


@functools.cache
def _layer_flops() -> np.ndarray:
    """Multiply-accumulates of every block in every layer: int32 ``[8, 3]``."""
    return np.array([[_block_flops(o, la) for o in range(len(OPS))] for la in LAYERS], np.int32)


def _fixed_params(num_classes: int) -> int:
    """Stem, head and classifier."""
    return (
        mbconv.conv_params(IMAGE_CHANNELS, STEM_CHANNELS, STEM_KERNEL)
        + mbconv.conv_params(LAYERS[-1].channels_out, HEAD_CHANNELS)
        + (HEAD_CHANNELS + 1) * num_classes
    )


def _fixed_flops(num_classes: int) -> int:
    """Stem, head and classifier."""
    stem = IMAGE_CHANNELS * STEM_CHANNELS * STEM_KERNEL**2 * IMAGE_SIDE**2
    last = LAYERS[-1]
    head = last.channels_out * HEAD_CHANNELS * last.side_out**2
    return stem + head + HEAD_CHANNELS * num_classes
