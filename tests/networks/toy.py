"""A population that compiles in no time: a scale that the genotype names, a dense layer."""

from __future__ import annotations

import flax.linen as nn
import jax.numpy as jnp
import numpy as np

from pnag_jax.datasets import Dataset, Part
from pnag_jax.networks import layers


class Toy(nn.Module):
    """Linear, with batch norm, on pixels times the genotype's first gene."""

    num_classes: int = 2

    @nn.compact
    def __call__(self, genotype, images, *, train=False):
        flat = images.reshape(len(images), -1) * (1.0 + genotype[0])
        return nn.Dense(self.num_classes)(layers.batch_norm(train)(flat))


class Plain(nn.Module):
    """The network of one genotype."""

    num_classes: int
    gene: int

    @nn.compact
    def __call__(self, images, *, train=False):
        return Toy(self.num_classes)(jnp.array([self.gene]), images, train=train)


def data(count: int = 40) -> Dataset:
    """Two classes of 4 x 4 noise, told apart by their mean."""
    random = np.random.default_rng(0)

    def part(size: int) -> Part:
        labels = (np.arange(size) % 2).astype(np.int32)
        images = random.normal(size=(size, 4, 4, 1)) + labels[:, None, None, None]
        return Part(jnp.asarray(images, jnp.float32), jnp.asarray(labels))

    return Dataset("toy", ("a", "b"), part(count), part(15), part(13))
