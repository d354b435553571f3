"""The networks of DARTS for CIFAR.

Liu, Simonyan and Yang, "DARTS: Differentiable Architecture Search", ICLR 2019,
section 3.3; what surrounds the cells is that of Zoph et al., CVPR 2018.  See
``spaces.darts_costs`` for the order of cells.

Letters of shapes: ``B`` images, ``H`` and ``W`` their sides, ``C`` channels,
``L`` = 32 genes of both cells.
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
from pnag_jax.networks.layers import ConvBn, ReluConvBn
from pnag_jax.spaces import darts_costs
from pnag_jax.spaces.darts_cells import NUM_INNER, NUM_INPUTS
from pnag_jax.spaces.darts_costs import AVG_POOL, DIL3, DIL5, KERNELS, MAX_POOL, SKIP, TIMES, Place

# Sides of the images that the auxiliary head takes.
_HEAD_SIDE = 8


@dataclasses.dataclass(frozen=True)
class Skeleton:
    """What is around the cells; the defaults are those of the paper's evaluation.

    Attributes:
      channels: of the nodes of the first cells; even.  16 where it searches.
      cells: of the whole network.  8 where it searches.
      auxiliary: whether a second classifier reads two thirds of the network.
      drop_path: probability with which an operation's whole output is dropped in
        training; the paper raises it from 0 to 0.2 over the epochs.
    """

    channels: int = 36
    cells: int = 20
    auxiliary: bool = False
    drop_path: float = 0.0


class FactorizedReduce(nn.Module):
    """Halves the sides by two 1x1 convolutions, one of which sees the odd pixels."""

    features: int

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """``[B, H, W, C] -> [B, H / 2, W / 2, features]``, sides even."""
        x = nn.relu(x)
        halves = [
            nn.Conv(self.features // 2, (1, 1), 2, "VALID", use_bias=False, name=name)(y)
            for name, y in (("even", x), ("odd", x[:, 1:, 1:]))
        ]
        return layers.batch_norm(train)(jnp.concatenate(halves, axis=-1))


class Depthwise(nn.Module):
    """ReLU, a depthwise convolution, a 1x1 convolution, batch norm."""

    kernel: int
    stride: int = 1
    dilation: int = 1

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """``[B, H, W, C] -> [B, H / stride, W / stride, C]``."""
        features = x.shape[-1]
        x = nn.Conv(
            features,
            (self.kernel, self.kernel),
            strides=self.stride,
            padding=self.dilation * (self.kernel // 2),
            kernel_dilation=self.dilation,
            feature_group_count=features,
            use_bias=False,
            kernel_init=nn.initializers.he_normal(),
            name="depthwise",
        )(nn.relu(x))
        return ConvBn(features, name="pointwise")(x, train)


class Op(nn.Module):
    """One operation of a cell."""

    op: int
    stride: int

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """``[B, H, W, C] -> [B, H / stride, W / stride, C]``."""
        if self.op == SKIP:
            return x if self.stride == 1 else FactorizedReduce(x.shape[-1], name="skip")(x, train)
        if self.op == AVG_POOL:
            return layers.avg_pool(x, 3, self.stride)
        if self.op == MAX_POOL:
            return nn.max_pool(x, (3, 3), (self.stride, self.stride), ((1, 1), (1, 1)))
        dilation = 2 if self.op in (DIL3, DIL5) else 1
        for time in range(TIMES[self.op]):
            stride = self.stride if time == 0 else 1
            x = Depthwise(KERNELS[self.op], stride, dilation, name=f"conv{time}")(x, train)
        return x


class Cell(nn.Module):
    """One cell, normal or reduction.

    Attributes:
      genes: of this kind of cell, ``source, operation`` twice a node.
      place: where it stands.
      drop_path: see ``Skeleton``.
    """

    genes: tuple[int, ...]
    place: Place
    drop_path: float = 0.0

    @nn.compact
    def __call__(self, before: tuple[jax.Array, jax.Array], train: bool) -> jax.Array:
        """The outputs of the two cells before, ``[B, H, W, C]``, to ``[B, H', W', 4 channels]``."""
        channels = self.place.channels
        older = FactorizedReduce if self.place.shrinks else ReluConvBn
        tensors = [
            older(channels, name="input0")(before[0], train),
            ReluConvBn(channels, name="input1")(before[1], train),
        ]
        for node, row in enumerate(np.reshape(self.genes, (NUM_INNER, 2, 2)).tolist()):
            terms = []
            for slot, (source, op) in enumerate(row):
                stride = 2 if self.place.reduces and source < NUM_INPUTS else 1
                y = Op(op, stride, name=f"node{node}_op{slot}")(tensors[source], train)
                passed_on = op == SKIP and stride == 1
                if train and self.drop_path > 0 and not passed_on:
                    y = layers.drop_path(y, self.drop_path, self.make_rng("drop_path"))
                terms.append(y)
            tensors.append(terms[0] + terms[1])
        return jnp.concatenate(tensors[NUM_INPUTS:], axis=-1)


class AuxiliaryHead(nn.Module):
    """The second classifier, on images of 8 x 8."""

    num_classes: int

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """``[B, 8, 8, C] -> [B, num_classes]``."""
        x = nn.avg_pool(nn.relu(x), (5, 5), (3, 3), "VALID")
        x = nn.relu(ConvBn(128, name="first")(x, train))
        x = nn.Conv(768, (2, 2), padding="VALID", use_bias=False, name="second")(x)
        x = nn.relu(layers.batch_norm(train)(x))
        return nn.Dense(self.num_classes, name="classifier")(x.reshape(len(x), -1))


class Network(nn.Module):
    """The network of a normal and a reduction cell.

    With ``skeleton.auxiliary`` the second classifier's logits of a training call are
    found in the collection ``auxiliary``, if the caller makes that mutable.

    Attributes:
      genotype: of the space.
      num_classes: logits.
      skeleton: what is around the cells.

    Raises:
      UsageError: when called, if the genotype is not valid, channels are odd, or
        the auxiliary head cannot take the images.
    """

    genotype: tuple[int, ...]
    num_classes: int
    skeleton: Skeleton = Skeleton()

    @nn.compact
    def __call__(self, images: jax.Array, *, train: bool = False) -> jax.Array:
        """``[B, H, W, C] -> [B, num_classes]``, sides that can be halved twice."""
        places = self._places()
        middle = len(self.genotype) // 2
        kinds = (self.genotype[:middle], self.genotype[middle:])
        stem = darts_costs.STEM_MULTIPLIER * self.skeleton.channels
        x = ConvBn(stem, darts_costs.STEM_KERNEL, name="stem")(images, train)
        before = (x, x)
        for index, place in enumerate(places):
            genes = kinds[int(place.reduces)]
            cell = Cell(genes, place, self.skeleton.drop_path, name=f"cell{index}")
            before = (before[1], cell(before, train))
            if self.skeleton.auxiliary and index == 2 * len(places) // 3:
                self._second(before[1], train)
        return nn.Dense(self.num_classes, name="classifier")(layers.global_pool(before[1]))

    def _second(self, x: jax.Array, train: bool) -> None:
        """The auxiliary classifier, where it is trained."""
        if x.shape[1:3] != (_HEAD_SIDE, _HEAD_SIDE):
            raise UsageError(
                f"skeleton of darts: auxiliary=True with {x.shape[1]} x {x.shape[2]} pixels at two"
                f" thirds of the network; accepted are {_HEAD_SIDE} x {_HEAD_SIDE}, of images of"
                f" {darts_costs.IMAGE_SIDE} x {darts_costs.IMAGE_SIDE}"
            )
        if train or self.is_initializing():
            logits = AuxiliaryHead(self.num_classes, name="auxiliary")(x, train)
            if not self.is_initializing():
                self.sow("auxiliary", "logits", logits)

    def _places(self) -> tuple[Place, ...]:
        with jax.ensure_compile_time_eval():
            valid = bool(spaces.get("darts").is_valid(np.array(self.genotype)))
        if not valid:
            raise UsageError(f"darts: a node of {list(self.genotype)} has one source twice")
        try:
            return darts_costs.places(self.skeleton.channels, self.skeleton.cells)
        except spaces.SpaceError as error:
            raise UsageError(str(error)) from error
