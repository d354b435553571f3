"""MnasNet, as Accel-NASBench searches it: seven blocks of mobile layers.

Tan et al., "MnasNet: Platform-Aware Neural Architecture Search for Mobile",
CVPR 2019; Ahmad et al., "Accel-NASBench: Sustainable Benchmarking for
Accelerator-Aware NAS", DAC 2024.

The genotype has four genes a block: expansion, kernel, number of layers and
squeeze-and-excitation.  All layers of a block share them.  In the graph a block
is one node and its type says all four.
"""

from __future__ import annotations

import dataclasses
import json
import math

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from pnag_jax.spaces import chain, config_text, mnasnet_costs
from pnag_jax.spaces.base import (
    Graph,
    Labels,
    Space,
    as_scores,
    from_index,
    over_batch,
    to_index,
)
from pnag_jax.spaces.mnasnet_costs import (
    DEEPEST,
    EXPANSIONS,
    KERNELS,
    KINDS,
    LAYERS,
    SQUEEZES,
)

NUM_BLOCKS = len(mnasnet_costs.BLOCKS)
GENES = ("expansion", "kernel", "layers", "se")
# The kinds of blocks as numbers with these radices.
_RADICES = (len(EXPANSIONS), len(KERNELS), len(LAYERS), len(SQUEEZES))

GENE_VALUES = tuple(
    values
    for block in range(NUM_BLOCKS)
    for values in (EXPANSIONS, KERNELS, LAYERS if block == DEEPEST else LAYERS[:-1], SQUEEZES)
)
CHOICES = tuple(map(len, GENE_VALUES))

# The benchmark's names of the genes, each with what its list may hold.
_KEYS = {"e": EXPANSIONS, "k": KERNELS, "l": LAYERS, "se": (False, True)}

OPS = tuple(f"e{e}_k{k}_l{layers}{'_se' if se else ''}" for e, k, layers, se in KINDS)

# Whether a block may be of a kind: [7, 48].
_ALLOWED = np.array(
    [
        [layers < LAYERS[-1] or block == DEEPEST for _, _, layers, _ in KINDS]
        for block in range(NUM_BLOCKS)
    ]
)


@dataclasses.dataclass(frozen=True)
class Mnasnet(Space):
    """The space of 36^6 * 48 = 104,485,552,128 networks.

    All genotypes are valid, and no two are the same network.
    """

    name: str = "mnasnet"
    fields: tuple[str, ...] = tuple(f"block{i}.{gene}" for i in range(NUM_BLOCKS) for gene in GENES)
    choices: tuple[int, ...] = CHOICES
    op_names: tuple[str, ...] = ("input", *OPS, "output")
    num_nodes: int = NUM_BLOCKS + 2
    size: int = math.prod(CHOICES)

    @property
    def gene_values(self) -> tuple[tuple[int, ...], ...]:
        return GENE_VALUES

    def sample(self, key: jax.Array, n: int) -> jax.Array:
        return jax.random.randint(key, (n, self.genotype_length), 0, np.array(self.choices))

    def is_valid(self, genotype: ArrayLike) -> jax.Array:
        return self.in_range(genotype)

    def canonical(self, genotype: ArrayLike) -> jax.Array:
        """The genotype itself: every gene of every block changes the network."""
        return jnp.asarray(genotype, jnp.int32)

    @over_batch(1)
    def to_graph(self, genotype: jax.Array) -> Graph:
        return chain.graph(_kinds(genotype), len(OPS))

    def from_graph(self, op_logits: ArrayLike, edge_logits: ArrayLike) -> jax.Array:
        """The best kind of each block among those that it may be; the chain is fixed."""
        del edge_logits
        scores = as_scores(op_logits)[..., 1:-1, 1:-1]
        kinds = jnp.argmax(jnp.where(jnp.asarray(_ALLOWED), scores, -jnp.inf), axis=-1)
        genes = from_index(kinds, _RADICES)
        return genes.reshape(*kinds.shape[:-1], self.genotype_length)

    def sub_architecture(self, genotype: ArrayLike, n: int) -> jax.Array:
        """Keeps ``n - 2`` blocks spread over the depth (``chain.kept``).

        The others become the smallest block, one 3x3 layer that expands nothing.
        """
        self.check_sub_size(n)
        kept = np.repeat(chain.kept(NUM_BLOCKS, n - 2), len(GENES))
        return jnp.where(jnp.asarray(kept), jnp.asarray(genotype), 0)

    def params(self, genotype: ArrayLike, num_classes: int = 1000) -> jax.Array:
        fixed = mnasnet_costs.fixed_params(num_classes)
        return chain.total(_kinds(genotype), mnasnet_costs.block_params(), fixed)

    def flops(
        self, genotype: ArrayLike, num_classes: int = 1000, *, norms_and_pools: bool = False
    ) -> jax.Array:
        """Of convolutions and dense layers, for one 224 x 224 image.

        Args:
          genotype: int ``[..., L]``.
          num_classes: of the classifier.
          norms_and_pools: count batch norms and average pools too, as the
            table's column does; see ``mnasnet_costs.block_norms_and_pools``.
        """
        fixed = mnasnet_costs.fixed_flops(num_classes)
        per_block = mnasnet_costs.block_flops()
        if norms_and_pools:
            fixed += mnasnet_costs.fixed_norms_and_pools()
            per_block = per_block + mnasnet_costs.block_norms_and_pools()
        return chain.total(_kinds(genotype), per_block, fixed)

    def to_string(self, genotype: ArrayLike) -> str:
        """The benchmark's config as JSON, one list a gene and one value a block.

        E.g. ``{"e": [1, 6, 6, 6, 6, 6, 6], "k": [3, 3, 5, 3, 5, 5, 3],
        "l": [1, 2, 2, 3, 3, 4, 1], "se": [true, true, ...]}``: expansion,
        kernel, layers and squeeze-and-excitation of EfficientNet-B0.
        """
        blocks = self.check(genotype).reshape(NUM_BLOCKS, len(GENES)).T
        pairs = zip(_KEYS.items(), blocks, strict=True)
        return json.dumps({key: [values[i] for i in genes] for (key, values), genes in pairs})

    def from_string(self, text: str) -> np.ndarray:
        config = config_text.read("mnasnet", text, tuple(_KEYS))
        genes = [_read_list(key, config[key], values) for key, values in _KEYS.items()]
        return np.array(genes, np.int32).T.reshape(-1)

    def labels(self, genotype: ArrayLike) -> Labels:
        """Input, the seven blocks and output as nodes of a chain."""
        return chain.labels(tuple(OPS[kind] for kind in np.asarray(_kinds(self.check(genotype)))))


def _kinds(genotype: ArrayLike) -> jax.Array:
    """The kind of every block: ``[..., L] -> int32 [..., 7]``."""
    genotype = jnp.asarray(genotype)
    blocks = genotype.reshape(*genotype.shape[:-1], NUM_BLOCKS, len(GENES))
    return to_index(blocks, _RADICES)


def _read_list(key: str, found: object, values: tuple[int, ...]) -> list[int]:
    """Gene values of the seven blocks, from one list of a config."""
    accepted = [
        LAYERS[:-1] if key == "l" and block != DEEPEST else values for block in range(NUM_BLOCKS)
    ]
    read = config_text.check_list("mnasnet", key, found, accepted, unit="block")
    return [values.index(value) for value in read]
