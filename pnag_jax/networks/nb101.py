"""The networks of NAS-Bench-101.

Ying et al., "NAS-Bench-101: Towards Reproducible Neural Architecture Search",
ICML 2019, section 2: a 3x3 convolution, stacks of equal cells with a max pooling
between stacks that halves the sides while the channels double, the mean over all
pixels, and a classifier.  Convolutions are followed by batch norm and ReLU.

Letters of shapes: ``B`` images, ``H`` and ``W`` their sides, ``C`` channels,
``L`` = 26 genes of a cell.
"""

from __future__ import annotations

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from pnag_jax import spaces
from pnag_jax.errors import UsageError
from pnag_jax.networks import layers
from pnag_jax.networks.layers import ConvBn
from pnag_jax.spaces import nb101_cells, nb101_costs
from pnag_jax.spaces.nb101 import POOL
from pnag_jax.spaces.nb101_cells import EDGES, INNER, OUTPUT


@dataclasses.dataclass(frozen=True)
class Skeleton:
    """What is around the cells; the defaults are the benchmark's.

    Attributes:
      channels: of the first stack, at least 5, one for every node of a cell; each
        further stack has twice as many.
      cells: of a stack.
      stacks: as named.
    """

    channels: int = nb101_costs.STEM_CHANNELS
    cells: int = nb101_costs.CELLS
    stacks: int = nb101_costs.STACKS


class Cell(nn.Module):
    """One cell; only the live nodes are built.

    Attributes:
      genotype: of the space, valid.
      features: channels out.
    """

    genotype: tuple[int, ...]
    features: int

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """``[B, H, W, C] -> [B, H, W, features]``."""
        genes = np.array(self.genotype, np.int32)
        code = nb101_cells.pruned(nb101_cells.pack(genes[: len(EDGES)]))
        ops = genes[len(EDGES) :]
        widths = [int(width) for width in nb101_costs.channels_of(code, self.features)]

        def read(node: int) -> list[int]:
            return [i for i in range(node) if nb101_cells.sources(code, node) >> i & 1]

        def conv(width: int, kernel: int, name: str, y: jax.Array) -> jax.Array:
            return nn.relu(ConvBn(width, kernel, name=name)(y, train))

        tensors: dict[int, jax.Array] = {}
        for node in INNER:
            if not read(node):
                continue
            width = widths[node]
            # A node may have one channel more than one that it feeds.
            terms = [tensors[i][..., :width] for i in read(node) if i]
            if 0 in read(node):
                terms.append(conv(width, 1, f"input_to{node}", x))
            total = sum(terms[1:], start=terms[0])
            op = int(ops[node - 1])
            if op == POOL:
                tensors[node] = nn.max_pool(total, (3, 3), (1, 1), "SAME")
            else:
                tensors[node] = conv(width, nb101_costs.KERNELS[op], f"node{node}", total)
        parts = [tensors[i] for i in read(OUTPUT) if i]
        if 0 in read(OUTPUT):
            skip = conv(self.features, 1, "input_to_output", x)
            return jnp.concatenate(parts, axis=-1) + skip if parts else skip
        return jnp.concatenate(parts, axis=-1)


class Network(nn.Module):
    """The network of one cell.

    Attributes:
      genotype: of the space; nodes that do not count are left out.
      num_classes: logits.
      skeleton: what is around the cells.

    Raises:
      UsageError: when called, if the cell is not valid, or channels are too few.
    """

    genotype: tuple[int, ...]
    num_classes: int
    skeleton: Skeleton = Skeleton()

    @nn.compact
    def __call__(self, images: jax.Array, *, train: bool = False) -> jax.Array:
        """``[B, H, W, C] -> [B, num_classes]``."""
        self._check()
        channels = self.skeleton.channels
        stem = ConvBn(channels, nb101_costs.STEM_KERNEL, name="stem")
        x = nn.relu(stem(images, train))
        for stack in range(self.skeleton.stacks):
            if stack:
                x = nn.max_pool(x, (2, 2), (2, 2), "SAME")
            for number in range(self.skeleton.cells):
                cell = Cell(self.genotype, channels * 2**stack, name=f"stack{stack}_cell{number}")
                x = cell(x, train)
        return nn.Dense(self.num_classes, name="classifier")(layers.global_pool(x))

    def _check(self) -> None:
        with jax.ensure_compile_time_eval():
            valid = bool(spaces.get("nb101").is_valid(np.array(self.genotype)))
        if not valid:
            raise UsageError(
                f"nb101: the cell {list(self.genotype)} has no path from input to output, or"
                f" more than {nb101_cells.MAX_EDGES} edges"
            )
        if self.skeleton.channels < len(INNER):
            raise UsageError(
                f"skeleton of nb101: channels = {self.skeleton.channels}; accepted are"
                f" {len(INNER)} and more"
            )
