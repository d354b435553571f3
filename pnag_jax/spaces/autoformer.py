"""AutoFormer: vision transformers of 12 to 16 layers, in three sizes.

Chen et al., "AutoFormer: Searching Transformers for Visual Recognition", ICCV
2021, table 2.

The first gene is the variant, tiny, small or base, and says what the numbers of
the other genes stand for: the width of the model, its depth, and for each layer
its heads and the ratio of its inner width to the width.  Heads and ratio of a
layer are 0 where there is none, else 1 and up.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from pnag_jax.spaces import autoformer_costs, chain, config_text, depths
from pnag_jax.spaces.autoformer_costs import DEPTHS, HEADS, RATIOS, WIDTHS
from pnag_jax.spaces.base import Graph, Labels, Space, as_scores, over_batch

SIZES = ("tiny", "small", "base")
MAX_LAYERS = DEPTHS[-1][-1]
MIN_LAYERS = DEPTHS[0][0]
ABSENT = "identity"

_KEYS = ("hidden_dim", "mlp_ratio", "depth", "num_heads")
_ENDS = ("size", "hidden_dim", "depth")
_CHOICES = (3, 3, 3, *(4,) * (2 * MAX_LAYERS))

_WIDTH_OPS = tuple(f"{size}_d{w}" for size, row in zip(SIZES, WIDTHS, strict=True) for w in row)
# (variant, heads, ratio) of every kind of layer, as gene values.
_KINDS = tuple(
    (size, heads, ratio)
    for size in range(len(SIZES))
    for heads in range(1, len(HEADS[size]) + 1)
    for ratio in range(1, len(RATIOS[size]) + 1)
)
_LAYER_OPS = tuple(f"h{HEADS[s][h - 1]}_r{RATIOS[s][r - 1]:g}" for s, h, r in _KINDS)
OPS = (*_WIDTH_OPS, ABSENT, *_LAYER_OPS)
# Where the layers' kinds begin among all, the input being 0.
_LAYER = 1 + len(_WIDTH_OPS)

_SIZE_OF_KIND = np.array([size for size, _, _ in _KINDS])
_HEADS_OF_KIND = np.array([0, *(heads for _, heads, _ in _KINDS)])
_RATIO_OF_KIND = np.array([0, *(ratio for _, _, ratio in _KINDS)])
# The kind of (variant, heads, ratio), counted from 1; 0 where there is none: [3, 4, 4].
_KIND = np.zeros((3, 4, 4), np.int32)
_KIND[tuple(np.array(_KINDS).T)] = np.arange(1, len(_KINDS) + 1)
_SHALLOWEST = np.array([row[0] for row in DEPTHS])
_PER_LAYER = np.array([[len(h), len(r)] for h, r in zip(HEADS, RATIOS, strict=True)])


@dataclasses.dataclass(frozen=True)
class Autoformer(Space):
    """The space of 3 * (4^12 + 4^13 + 4^14 + 9^12 + 9^13 + 2 * 9^14 + 9^15 + 9^16) networks.

    Valid are the genotypes whose first layers, as many as the depth says, have
    heads and a ratio of the variant, and whose others have zeros.
    """

    name: str = "autoformer"
    fields: tuple[str, ...] = (
        *_ENDS,
        *(f"num_heads{i}" for i in range(MAX_LAYERS)),
        *(f"mlp_ratio{i}" for i in range(MAX_LAYERS)),
    )
    choices: tuple[int, ...] = _CHOICES
    op_names: tuple[str, ...] = ("input", *OPS, "output")
    num_nodes: int = MAX_LAYERS + 3
    size: int = sum(
        3 * (len(HEADS[size]) * len(RATIOS[size])) ** depth
        for size in range(len(SIZES))
        for depth in DEPTHS[size]
    )

    def sample(self, key: jax.Array, n: int) -> jax.Array:
        """Draws variant and depth uniformly, then every gene of the layers there are."""
        key_ends, key_layers = jax.random.split(key)
        ends = jax.random.randint(key_ends, (n, len(_ENDS)), 0, 3)
        counts = jnp.asarray(_PER_LAYER)[ends[:, 0]][:, None]
        layers = jax.random.randint(key_layers, (n, MAX_LAYERS, 2), 1, counts + 1)
        return _trimmed(_joined(ends, layers))

    def is_valid(self, genotype: ArrayLike) -> jax.Array:
        genotype = jnp.asarray(genotype)
        layers, there = _layers(genotype), depths.active(_depth(genotype), MAX_LAYERS)
        counts = jnp.asarray(_PER_LAYER)[genotype[..., 0]][..., None, :]
        full = jnp.all((layers > 0) & (layers <= counts), axis=-1)
        empty = jnp.all(layers == 0, axis=-1)
        return jnp.all(jnp.where(there, full, empty), axis=-1) & self.in_range(genotype)

    def canonical(self, genotype: ArrayLike) -> jax.Array:
        """Without what stands beyond the last layer.

        Of a genotype that is not valid, the nearest one that is: what a layer
        lacks is the least, and what the variant has not the most that it has.
        """
        trimmed = _trimmed(jnp.asarray(genotype, jnp.int32))
        there = depths.active(_depth(trimmed), MAX_LAYERS)[..., None]
        counts = jnp.asarray(_PER_LAYER)[trimmed[..., 0]][..., None, :]
        return _joined(trimmed, jnp.where(there, jnp.clip(_layers(trimmed), 1, counts), 0))

    @over_batch(1)
    def neighbours(self, genotype: jax.Array) -> jax.Array:
        """All changes of one gene: ``[..., L] -> [..., K, L]``.

        A deeper network repeats the last layer.  Another variant keeps the
        places of widths, depth, heads and ratios in their lists, the last ones
        where its lists are shorter.
        """
        rows = super().neighbours(genotype)
        depth = jnp.broadcast_to(_depth(genotype), (len(rows),))
        layers = depths.repeat_last(_layers(rows), depth)
        counts = jnp.asarray(_PER_LAYER)[rows[:, 0]][:, None]
        other = (rows[:, 0] != genotype[0])[:, None, None]
        return _trimmed(_joined(rows, jnp.where(other, jnp.minimum(layers, counts), layers)))

    @over_batch(1)
    def to_graph(self, genotype: jax.Array) -> Graph:
        """A chain: variant and width, then the layers, those that are not there last."""
        layers = _layers(genotype)
        kinds = jnp.asarray(_KIND)[genotype[0], layers[:, 0], layers[:, 1]]
        first = genotype[:1] * 3 + genotype[1:2]
        return chain.graph(jnp.concatenate([first, _LAYER - 1 + kinds]), len(OPS))

    def free_decode(self, op_logits: ArrayLike, edge_logits: ArrayLike) -> jax.Array:
        """The best kind of every node.

        Invalid are a layer after one that is not there, a depth that the variant
        does not have, and a layer of another variant.
        """
        del edge_logits
        scores = as_scores(op_logits)
        first = _best_width(scores)
        kinds = jnp.argmax(scores[..., 2:-1, _LAYER:-1], axis=-1)
        size = first // 3
        sizes = jnp.asarray(np.concatenate([[-1], _SIZE_OF_KIND]))[kinds]
        # A layer of another variant counts as none, which leaves a gap.
        kinds = jnp.where(sizes == size[..., None], kinds, 0)
        deepest = depths.last(kinds > 0, 0)
        return _from_kinds(first, jnp.clip(deepest - jnp.asarray(_SHALLOWEST)[size], 0, 2), kinds)

    def from_graph(self, op_logits: ArrayLike, edge_logits: ArrayLike) -> jax.Array:
        """The best width, and then the best depth and layers of its variant."""
        del edge_logits
        scores = as_scores(op_logits)
        first = _best_width(scores)
        size = first // 3
        layers = scores[..., 2:-1, _LAYER:-1]
        own = jnp.asarray(_SIZE_OF_KIND) == size[..., None, None]
        least = jnp.finfo(layers.dtype).min
        of_size = jnp.where(own, layers[..., 1:], least)
        kinds = 1 + jnp.argmax(of_size, axis=-1)
        shallowest = jnp.asarray(_SHALLOWEST)[size]
        depth = depths.best(of_size.max(axis=-1), layers[..., 0], shallowest, shallowest + 2)
        there = depths.active(depth, MAX_LAYERS)
        return _from_kinds(first, depth - shallowest, jnp.where(there, kinds, 0))

    @over_batch(1)
    def sub_architecture(self, genotype: jax.Array, n: int) -> jax.Array:
        """Keeps variant and width, and ``n - 3`` layers spread over the depth.

        What is not kept becomes the smallest layer; the depth is the least of the
        variant that has room for what is kept.
        """
        self.check_sub_size(n)
        count = n - 3
        if count >= MAX_LAYERS:
            return genotype
        depth, shallowest = _depth(genotype), jnp.asarray(_SHALLOWEST)[genotype[0]]
        kept = jnp.minimum(depth, count)
        layers = depths.spread(_layers(genotype), depth, kept)
        coarse = jnp.maximum(kept, shallowest)
        layers = jnp.where(depths.active(kept, MAX_LAYERS)[:, None], layers, 1)
        layers = jnp.where(depths.active(coarse, MAX_LAYERS)[:, None], layers, 0)
        deeper = (coarse - shallowest).astype(genotype.dtype)
        return _joined(genotype.at[2].set(deeper), layers)

    def params(self, genotype: ArrayLike, num_classes: int = 1000) -> jax.Array:
        return _cost(self.canonical(genotype), True, num_classes)

    def flops(self, genotype: ArrayLike, num_classes: int = 1000) -> jax.Array:
        """Of convolutions, dense layers and attention, for one 224 x 224 image."""
        return _cost(self.canonical(genotype), False, num_classes)

    def to_string(self, genotype: ArrayLike) -> str:
        """The network's config as JSON, one value a layer in the lists.

        E.g. ``{"hidden_dim": 192, "mlp_ratio": [3.5, 4.0, ...], "depth": 12,
        "num_heads": [4, 3, ...]}``; the width tells the variant.
        """
        return json.dumps(self.config(genotype))

    def config(self, genotype: ArrayLike) -> dict[str, Any]:
        """What ``to_string`` writes; raises ``SpaceError`` where there is no such network."""
        size, width, deeper, *layers = self.check(genotype).tolist()
        depth = DEPTHS[size][deeper]
        return {
            "hidden_dim": WIDTHS[size][width],
            "mlp_ratio": [RATIOS[size][r - 1] for r in layers[MAX_LAYERS:][:depth]],
            "depth": depth,
            "num_heads": [HEADS[size][h - 1] for h in layers[:depth]],
        }

    def check(self, genotype: ArrayLike) -> np.ndarray:
        genes = super().check(genotype)
        depths.check(self, genes)
        return genes

    def from_string(self, text: str) -> np.ndarray:
        config = config_text.read("autoformer", text, _KEYS)
        every = tuple(width for row in WIDTHS for width in row)
        width = config_text.check("autoformer", "hidden_dim", config["hidden_dim"], every)
        size = every.index(width) // 3
        depth = config_text.check("autoformer", "depth", config["depth"], DEPTHS[size])
        genes = [size, every.index(width) % 3, DEPTHS[size].index(depth)]
        for key, accepted in (("num_heads", HEADS[size]), ("mlp_ratio", RATIOS[size])):
            found = config_text.check_list("autoformer", key, config[key], (accepted,) * depth)
            genes += [*(1 + accepted.index(value) for value in found), *[0] * (MAX_LAYERS - depth)]
        return np.array(genes, np.int32)

    def labels(self, genotype: ArrayLike) -> Labels:
        """Input, width, the layers there are and output, as a chain."""
        config = self.config(genotype)
        pairs = zip(config["num_heads"], config["mlp_ratio"], strict=True)
        layers = [f"h{heads}_r{ratio:g}" for heads, ratio in pairs]
        size = next(i for i, row in enumerate(WIDTHS) if config["hidden_dim"] in row)
        return chain.labels((f"{SIZES[size]}_d{config['hidden_dim']}", *layers))


def _depth(genotype: jax.Array) -> jax.Array:
    """Number of layers: ``[..., L] -> [...]``."""
    return jnp.asarray(_SHALLOWEST)[genotype[..., 0]] + genotype[..., 2]


def _layers(genotype: jax.Array) -> jax.Array:
    """Heads and ratio of every layer: ``[..., L] -> [..., 16, 2]``."""
    genes = genotype[..., len(_ENDS) :]
    return jnp.moveaxis(genes.reshape(*genes.shape[:-1], 2, MAX_LAYERS), -2, -1)


def _joined(ends: jax.Array, layers: jax.Array) -> jax.Array:
    """First genes of ``ends`` and layers: ``[..., >= 3], [..., 16, 2] -> [..., L]``."""
    genes = jnp.moveaxis(layers, -1, -2).reshape(*layers.shape[:-2], 2 * MAX_LAYERS)
    return jnp.concatenate([ends[..., : len(_ENDS)], genes.astype(ends.dtype)], axis=-1)


def _trimmed(genotype: jax.Array) -> jax.Array:
    """Zeros beyond the last layer: ``[..., L] -> [..., L]``."""
    there = depths.active(_depth(genotype), MAX_LAYERS)[..., None]
    return _joined(genotype, jnp.where(there, _layers(genotype), 0))


def _best_width(scores: jax.Array) -> jax.Array:
    """Variant and width as one number of 9: ``[..., N, F] -> [...]``."""
    return jnp.argmax(scores[..., 1, 1:_LAYER], axis=-1)


def _from_kinds(first: jax.Array, depth: jax.Array, kinds: jax.Array) -> jax.Array:
    """The genotype: ``[...], [...], [..., 16] -> int32 [..., L]``."""
    ends = jnp.stack([first // 3, first % 3, depth], axis=-1)
    layers = jnp.stack([jnp.asarray(of)[kinds] for of in (_HEADS_OF_KIND, _RATIO_OF_KIND)], axis=-1)
    return _joined(ends, layers).astype(jnp.int32)


def _cost(genotype: jax.Array, of_params: bool, num_classes: int) -> jax.Array:
    """Of canonical forms, summed as integers in two parts: float32 ``[...]``."""
    size, width = genotype[..., 0], genotype[..., 1]
    layers = jnp.maximum(_layers(genotype) - 1, 0)
    there = depths.active(_depth(genotype), MAX_LAYERS)
    each = jnp.asarray(autoformer_costs.layers(of_params))[
        size[..., None], width[..., None], layers[..., 0], layers[..., 1]
    ]
    fixed = jnp.asarray(autoformer_costs.fixed(of_params, num_classes))[size, width]
    each = jnp.where(there, each, 0)
    # The sum may exceed 32 bits.
    high = (each // 1024).sum(axis=-1) + fixed // 1024
    low = (each % 1024).sum(axis=-1) + fixed % 1024
    return (high + low // 1024).astype(jnp.float32) * 1024 + (low % 1024).astype(jnp.float32)
