"""A space in which every genotype is an architecture of its own.

Isomorphic cells compute the same and reach the same accuracy, up to chance.
They do not cost the same: an operation whose result nobody uses still takes
its time.  A search for low costs tells genotypes apart as they are written.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from pnag_jax.spaces.base import Graph, Labels, Space, over_batch
from pnag_jax.spaces.restricted import whole


@dataclasses.dataclass(frozen=True)
class AsWritten(Space):
    """``folded`` without its isomorphisms; made by ``as_written``.

    Attributes:
      folded: the space whose classes are taken apart.
    """

    folded: Space

    def canonical(self, genotype: ArrayLike) -> jax.Array:
        """The genotype itself."""
        return jnp.asarray(genotype)

    def sample(self, key: jax.Array, n: int) -> jax.Array:
        return self.folded.sample(key, n)

    def is_valid(self, genotype: ArrayLike) -> jax.Array:
        return self.folded.is_valid(genotype)

    def mutate(self, key: jax.Array, genotype: ArrayLike) -> jax.Array:
        return self.folded.mutate(key, genotype)

    @over_batch(1)
    def neighbours(self, genotype: jax.Array) -> jax.Array:
        return self.folded.neighbours(genotype)

    def to_graph(self, genotype: ArrayLike) -> Graph:
        return self.folded.to_graph(genotype)

    def from_graph(self, op_logits: ArrayLike, edge_logits: ArrayLike) -> jax.Array:
        return self.folded.from_graph(op_logits, edge_logits)

    def free_decode(self, op_logits: ArrayLike, edge_logits: ArrayLike) -> jax.Array:
        return self.folded.free_decode(op_logits, edge_logits)

    def sub_architecture(self, genotype: ArrayLike, n: int) -> jax.Array:
        return self.folded.sub_architecture(genotype, n)

    def params(self, genotype: ArrayLike) -> jax.Array:
        return self.folded.params(genotype)

    def flops(self, genotype: ArrayLike) -> jax.Array:
        return self.folded.flops(genotype)

    def to_string(self, genotype: ArrayLike) -> str:
        return self.folded.to_string(genotype)

    def from_string(self, text: str):
        return self.folded.from_string(text)

    def labels(self, genotype: ArrayLike) -> Labels:
        return self.folded.labels(genotype)


def as_written(space: Space) -> AsWritten:
    """The same architectures, isomorphic ones told apart."""
    shared = {field.name: getattr(space, field.name) for field in dataclasses.fields(Space)}
    return AsWritten(**shared, folded=space)


def folded(space: Space) -> Space:
    """The whole space with its isomorphisms, whatever part or reading of it ``space`` is."""
    found = whole(space)
    return found.folded if isinstance(found, AsWritten) else found
