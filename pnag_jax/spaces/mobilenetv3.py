"""MobileNetV3 subnets of Once-for-All: five stages of 2 to 4 blocks, and a resolution.

Cai et al., "Once-for-All: Train One Network and Specialize it for Efficient
Deployment", ICLR 2020.

The genotype has a kernel for each of 20 blocks, then an expansion for each, then
a depth for each of 5 stages, then the side of the image.  Blocks beyond a
stage's depth are skipped; what their genes say makes no difference.  The graph
is a chain: the image's side is its first node, then come the blocks, skipped
ones as ``skip``.
"""

from __future__ import annotations

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from pnag_jax.spaces import chain, config_text, depths, mobilenetv3_costs
from pnag_jax.spaces.base import Graph, Labels, Space, as_scores, over_batch
from pnag_jax.spaces.mobilenetv3_costs import (
    DEPTHS,
    EXPANSIONS,
    KERNELS,
    KINDS,
    NUM_BLOCKS,
    NUM_STAGES,
    RESOLUTIONS,
    STAGE_BLOCKS,
)

GENE_VALUES = (
    *(KERNELS,) * NUM_BLOCKS,
    *(EXPANSIONS,) * NUM_BLOCKS,
    *(DEPTHS,) * NUM_STAGES,
    RESOLUTIONS,
)
CHOICES = tuple(map(len, GENE_VALUES))
# Where the groups of genes begin.
_EXPANSION, _DEPTH, _RESOLUTION = NUM_BLOCKS, 2 * NUM_BLOCKS, 2 * NUM_BLOCKS + NUM_STAGES

# Once-for-All's names of the groups, and how many genes are of each.
_KEYS = {"ks": NUM_BLOCKS, "e": NUM_BLOCKS, "d": NUM_STAGES, "r": 1}

# Kinds of nodes between the ends: blocks, a skipped one, the sides of the image.
SKIP = len(KINDS)
_SIDES = SKIP + 1
OPS = (*(f"k{k}_e{e}" for k, e in KINDS), "skip", *(f"r{side}" for side in RESOLUTIONS))


@dataclasses.dataclass(frozen=True)
class Mobilenetv3(Space):
    """The space of (9^2 + 9^3 + 9^4)^5 networks at 25 resolutions, 5 * 10^20.

    All genotypes are valid; those that differ in skipped blocks alone are one
    network, and in its canonical form skipped blocks have the first values.
    """

    name: str = "mobilenetv3"
    fields: tuple[str, ...] = (
        *(f"kernel{i}" for i in range(NUM_BLOCKS)),
        *(f"expansion{i}" for i in range(NUM_BLOCKS)),
        *(f"depth{i}" for i in range(NUM_STAGES)),
        "resolution",
    )
    choices: tuple[int, ...] = CHOICES
    op_names: tuple[str, ...] = ("input", *OPS, "output")
    num_nodes: int = NUM_BLOCKS + 3
    size: int = sum(len(KINDS) ** depth for depth in DEPTHS) ** NUM_STAGES * len(RESOLUTIONS)

    @property
    def gene_values(self) -> tuple[tuple[int, ...], ...]:
        return GENE_VALUES

    def sample(self, key: jax.Array, n: int) -> jax.Array:
        """As Once-for-All draws: every gene uniformly; then in canonical form."""
        genes = jax.random.randint(key, (n, self.genotype_length), 0, np.array(self.choices))
        return self.canonical(genes)

    def is_valid(self, genotype: ArrayLike) -> jax.Array:
        return self.in_range(genotype)

    def canonical(self, genotype: ArrayLike) -> jax.Array:
        """Skipped blocks have the first kernel and the first expansion."""
        genotype = jnp.asarray(genotype, jnp.int32)
        present = _present(genotype)
        rest = jnp.ones((*genotype.shape[:-1], NUM_STAGES + 1), bool)
        return jnp.where(jnp.concatenate([present, present, rest], axis=-1), genotype, 0)

    def neighbours(self, genotype: ArrayLike) -> jax.Array:
        """All changes of one gene, in canonical form; of a skipped block none is left."""
        return self.canonical(super().neighbours(genotype))

    @over_batch(1)
    def to_graph(self, genotype: jax.Array) -> Graph:
        return chain.graph(_kinds(genotype), len(OPS))

    def from_graph(self, op_logits: ArrayLike, edge_logits: ArrayLike) -> jax.Array:
        """The side, and a stage's depth and blocks, of the highest score; the chain is fixed."""
        del edge_logits
        scores = as_scores(op_logits)[..., 1:-1, 1:-1]
        blocks = scores[..., 1:, :]
        kinds = jnp.argmax(blocks[..., :SKIP], axis=-1)
        present, absent = blocks[..., :SKIP].max(axis=-1), blocks[..., SKIP]
        depth = depths.best(_by_stage(present), _by_stage(absent), DEPTHS[0])
        sides = jnp.argmax(scores[..., 0, _SIDES:], axis=-1)
        return self.canonical(_genotype(kinds, depth - DEPTHS[0], sides))

    def free_decode(self, op_logits: ArrayLike, edge_logits: ArrayLike) -> jax.Array:
        """The best type of every node on its own; skipped is what ties with the best.

        A depth of -1 stands for a stage of which blocks follow a skipped one, of
        which fewer than two are left, or which holds what is no block; a
        resolution of -1 for a first node that is no side.
        """
        del edge_logits
        scores = as_scores(op_logits)[..., 1:-1, :]
        skipped = scores[..., SKIP + 1] == scores.max(axis=-1)
        types = jnp.where(skipped, SKIP, jnp.argmax(scores, axis=-1) - 1)
        blocks, side = _by_stage(types[..., 1:]), types[..., 0] - _SIDES
        is_block = (blocks >= 0) & (blocks < SKIP)
        depth = is_block.sum(axis=-1)
        run = depths.active(depth, STAGE_BLOCKS)
        whole = jnp.all(jnp.where(run, is_block, blocks == SKIP), axis=-1)
        deeper = jnp.where(whole & (depth >= DEPTHS[0]), depth - DEPTHS[0], -1)
        sides = jnp.where((side >= 0) & (side < len(RESOLUTIONS)), side, -1)
        kinds = jnp.where(run & whole[..., None], blocks, 0).reshape(types[..., 1:].shape)
        return _genotype(kinds, deeper, sides)

    def sub_architecture(self, genotype: ArrayLike, n: int) -> jax.Array:
        """Keeps ``n - 2`` of side and blocks, spread over the depth (``chain.kept``).

        The others become the smallest; stages end with the last block that is
        kept, or with their second one.
        """
        self.check_sub_size(n)
        genotype = self.canonical(genotype)
        kept = jnp.asarray(chain.kept(NUM_BLOCKS + 1, n - 2))
        kinds = jnp.where(kept[1:], _block_kinds(genotype), 0)
        depth = depths.last(_by_stage(kept[1:] & _present(genotype)), DEPTHS[0])
        side = jnp.where(kept[0], genotype[..., _RESOLUTION], 0)
        return self.canonical(_genotype(kinds, depth - DEPTHS[0], side))

    def params(
        self, genotype: ArrayLike, num_classes: int = 1000, *, width: float = 1.0
    ) -> jax.Array:
        """Of the subnet alone.

        Args:
          genotype: int ``[..., L]``.
          num_classes: of the classifier.
          width: multiplier of all channels; Once-for-All has 1.0 and 1.2.
        """
        fixed = mobilenetv3_costs.fixed_params(num_classes, width)
        kinds = _kinds(jnp.asarray(genotype))[..., 1:]
        return chain.total(kinds, mobilenetv3_costs.block_params(width), fixed)

    def flops(
        self, genotype: ArrayLike, num_classes: int = 1000, *, width: float = 1.0
    ) -> jax.Array:
        """Of convolutions and dense layers, for one image; arguments as in ``params``."""
        genotype = jnp.asarray(genotype)
        side = genotype[..., _RESOLUTION]
        fixed = jnp.asarray(mobilenetv3_costs.fixed_flops(num_classes, width), jnp.int32)[side]
        table = jnp.asarray(mobilenetv3_costs.block_flops(width))
        kinds = _kinds(genotype)[..., 1:]
        blocks = table[side[..., None], jnp.arange(NUM_BLOCKS), kinds]
        return (fixed + blocks.sum(-1)).astype(jnp.float32)

    def to_string(self, genotype: ArrayLike) -> str:
        """Once-for-All's config as JSON, e.g. ``{"ks": [3, 5, ...], "e": [6, ...],
        "d": [2, 3, 4, 4, 2], "r": 224}``: kernels and expansions of 20 blocks,
        depths of 5 stages, side of the image.
        """
        numbers = iter(
            [values[gene] for values, gene in zip(GENE_VALUES, self.check(genotype), strict=True)]
        )
        config = {key: [next(numbers) for _ in range(count)] for key, count in _KEYS.items()}
        return json.dumps(config | {"r": config["r"][0]})

    def from_string(self, text: str) -> np.ndarray:
        config = config_text.read(self.name, text, tuple(_KEYS))
        # Once-for-All itself writes the resolution as a list of one.
        side = (
            config["r"][0]
            if isinstance(config["r"], list) and len(config["r"]) == 1
            else config["r"]
        )
        numbers = [
            *config_text.check_list(self.name, "ks", config["ks"], [KERNELS] * NUM_BLOCKS, "block"),
            *config_text.check_list(
                self.name, "e", config["e"], [EXPANSIONS] * NUM_BLOCKS, "block"
            ),
            *config_text.check_list(self.name, "d", config["d"], [DEPTHS] * NUM_STAGES, "stage"),
            config_text.check(self.name, "r", side, RESOLUTIONS),
        ]
        genes = [values.index(n) for values, n in zip(GENE_VALUES, numbers, strict=True)]
        return np.array(genes, np.int32)

    def labels(self, genotype: ArrayLike) -> Labels:
        """Input, side, the blocks that are not skipped and output as nodes of a chain."""
        kinds = np.asarray(_kinds(jnp.asarray(self.check(genotype))))
        return chain.labels(tuple(OPS[kind] for kind in kinds if kind != SKIP))


def _by_stage(blocks: jax.Array) -> jax.Array:
    """``[..., 20] -> [..., 5, 4]``."""
    return blocks.reshape(*blocks.shape[:-1], NUM_STAGES, STAGE_BLOCKS)


def _present(genotype: jax.Array) -> jax.Array:
    """Whether each block is within its stage's depth: ``[..., L] -> bool [..., 20]``."""
    there = depths.active(genotype[..., _DEPTH:_RESOLUTION] + DEPTHS[0], STAGE_BLOCKS)
    return there.reshape(*genotype.shape[:-1], NUM_BLOCKS)


def _block_kinds(genotype: jax.Array) -> jax.Array:
    """Kinds of blocks, skipped or not: ``[..., L] -> [..., 20]``."""
    kernels, expansions = genotype[..., :_EXPANSION], genotype[..., _EXPANSION:_DEPTH]
    return kernels * len(EXPANSIONS) + expansions


def _kinds(genotype: jax.Array) -> jax.Array:
    """Kinds of the nodes between the ends: ``[..., L] -> [..., 21]``."""
    blocks = jnp.where(_present(genotype), _block_kinds(genotype), SKIP)
    return jnp.concatenate([genotype[..., _RESOLUTION:] + _SIDES, blocks], axis=-1)


def _genotype(kinds: jax.Array, depth: jax.Array, sides: jax.Array) -> jax.Array:
    """Of kinds of blocks ``[..., 20]``, genes of depth ``[..., 5]`` and sides ``[...]``."""
    kernels, expansions = kinds // len(EXPANSIONS), kinds % len(EXPANSIONS)
    genes = jnp.concatenate([kernels, expansions, depth, sides[..., None]], axis=-1)
    return genes.astype(jnp.int32)
