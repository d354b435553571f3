"""The part of a space that can be measured, as a space of its own.

A table may hold a few thousand architectures of a space of billions.  A search
of such a table is a search of what it holds: draws are uniform over that, and
what a method makes up is replaced by the nearest architecture there, at the
smallest number of different genes between canonical forms (Hamming distance,
weighted by ``Space.gene_weights``).

Letters as in ``spaces.base``, and ``M`` architectures held.
"""

from __future__ import annotations

import dataclasses
import hashlib

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from pnag_jax.spaces.base import Graph, Labels, Space, SpaceError, over_batch


@dataclasses.dataclass(frozen=True)
class Restricted(Space):
    """Some architectures of ``whole``; made by ``restrict``.

    Graphs, costs, strings and coarse versions are those of the whole space.

    Attributes:
      whole: the space that they are of.
      digest: of ``held``, by which spaces are told apart.
      held: int32 ``[M, L]``, one genotype an architecture.
      keys: int32 ``[M, L]``, their canonical forms.
    """

    whole: Space
    digest: str
    held: np.ndarray = dataclasses.field(compare=False, repr=False)
    keys: np.ndarray = dataclasses.field(compare=False, repr=False)

    def sample(self, key: jax.Array, n: int) -> jax.Array:
        return jnp.asarray(self.held)[jax.random.randint(key, (n,), 0, len(self.held))]

    def is_valid(self, genotype: ArrayLike) -> jax.Array:
        alike = self._alike(genotype).max(axis=-1) == self._most
        return alike & self.whole.is_valid(genotype)

    def canonical(self, genotype: ArrayLike) -> jax.Array:
        return self.whole.canonical(genotype)

    def nearest(self, genotype: ArrayLike) -> jax.Array:
        """The held architecture with the fewest other genes: ``[..., L] -> [..., L]``."""
        return jnp.asarray(self.held)[self._alike(genotype).argmax(axis=-1)]

    def mutate(self, key: jax.Array, genotype: ArrayLike) -> jax.Array:
        """The nearest other one to a one-gene neighbour: ``[..., L] -> [..., L]``."""
        mutated = self.whole.mutate(key, genotype)
        own = self._alike(genotype) == self._most
        others = jnp.where(own, -1.0, self._alike(mutated))
        return jnp.asarray(self.held)[others.argmax(axis=-1)]

    @over_batch(1)
    def neighbours(self, genotype: jax.Array) -> jax.Array:
        """The nearest others, as many as have one other gene in the whole space."""
        count = min(sum(self.choices) - self.genotype_length, max(len(self.held) - 1, 1))
        alike = self._alike(genotype)
        others = jnp.where(alike == self._most, -1.0, alike)
        return jnp.asarray(self.held)[jax.lax.top_k(others, count)[1]]

    @property
    def _most(self) -> float:
        """What ``_alike`` says of an architecture and itself."""
        return sum(self.whole.gene_weights)

    def _alike(self, genotype: ArrayLike) -> jax.Array:
        """Weight of the genes that agree with each held one: float32 ``[..., L] -> [..., M]``."""
        values = max(self.choices)
        weights = jnp.array(self.whole.gene_weights)[:, None]
        keys = (weights * jax.nn.one_hot(jnp.asarray(self.keys), values)).reshape(
            len(self.keys), -1
        )
        own = jax.nn.one_hot(self.canonical(genotype), values)
        return own.reshape(*own.shape[:-2], -1) @ keys.T

    def to_graph(self, genotype: ArrayLike) -> Graph:
        return self.whole.to_graph(genotype)

    def from_graph(self, op_logits: ArrayLike, edge_logits: ArrayLike) -> jax.Array:
        """The held one nearest to what the whole space decodes."""
        return self.nearest(self.whole.from_graph(op_logits, edge_logits))

    def free_decode(self, op_logits: ArrayLike, edge_logits: ArrayLike) -> jax.Array:
        return self.whole.free_decode(op_logits, edge_logits)

    def sub_architecture(self, genotype: ArrayLike, n: int) -> jax.Array:
        return self.whole.sub_architecture(genotype, n)

    def params(self, genotype: ArrayLike) -> jax.Array:
        return self.whole.params(genotype)

    def flops(self, genotype: ArrayLike) -> jax.Array:
        return self.whole.flops(genotype)

    def to_string(self, genotype: ArrayLike) -> str:
        return self.whole.to_string(genotype)

    def from_string(self, text: str) -> np.ndarray:
        return self.whole.from_string(text)

    def labels(self, genotype: ArrayLike) -> Labels:
        return self.whole.labels(genotype)


def restrict(space: Space, genotypes: ArrayLike) -> Restricted:
    """The part of ``space`` that holds ``genotypes``.

    Args:
      space: a whole space.
      genotypes: int ``[M, L]``, valid ones, at least one; of isomorphic ones
        the first counts.

    Raises:
      SpaceError: none is given, or one that the space does not accept.
    """
    given = np.asarray(genotypes, np.int32).reshape(-1, space.genotype_length)
    if not len(given) or not bool(np.all(jax.jit(space.is_valid)(given))):
        raise SpaceError(f"{space.name}: to restrict it takes valid genotypes, at least one")
    canonical = np.asarray(jax.jit(space.canonical)(given), np.int32)
    first = np.unique(canonical, axis=0, return_index=True)[1]
    # In no order: among equally near ones the first is taken.
    first = np.random.default_rng(0).permutation(first)
    held, keys = given[first], canonical[first]
    shared = {field.name: getattr(space, field.name) for field in dataclasses.fields(Space)}
    shared["size"] = len(held)
    digest = hashlib.sha256(held.tobytes()).hexdigest()
    return Restricted(**shared, whole=space, digest=digest, held=held, keys=keys)


def whole(space: Space) -> Space:
    """The space that ``space`` is a part of, or itself."""
    return space.whole if isinstance(space, Restricted) else space
