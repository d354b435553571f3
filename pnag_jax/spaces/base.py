"""What a search space is: the contract that every space fulfils.

A space is a small frozen object of pure functions over integer arrays.  One
architecture is a *genotype*: an int vector of fixed length ``L``, gene ``i``
lying in ``0 .. choices[i] - 1``.

Letters used in shapes, here and in every space:

* ``L`` genes of a genotype,
* ``N`` nodes of its graph, input and output included,
* ``F`` node types, input and output included,
* ``K`` one-gene neighbours of a genotype.

Every array function accepts any number of leading batch axes, works under
``jit``, ``vmap`` and ``lax.scan`` with the space static (spaces hash by
value), and never looks at concrete values.
"""

from __future__ import annotations

import abc
import dataclasses
import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike


class SpaceError(ValueError):
    """A genotype, a string or a size that the space does not accept."""


class Graph(NamedTuple):
    """An architecture as a directed acyclic graph in topological order.

    Attributes:
      ops: float32 ``[..., N, F]``, one-hot node types.
      adjacency: float32 ``[..., N, N]``, strictly upper triangular; entry
        ``(i, j)`` is 1 where node ``i`` feeds node ``j``.
      mask: float32 ``[..., N]``, 0 for padding nodes.
    """

    ops: jax.Array
    adjacency: jax.Array
    mask: jax.Array


class Labels(NamedTuple):
    """Names for a drawing: one a node, and ``(source, target, name)`` an edge."""

    nodes: tuple[str, ...]
    edges: tuple[tuple[int, int, str], ...]


def over_batch(*core_ndims: int) -> Callable:
    """Lets a method written for one architecture take leading batch axes.

    Args:
      *core_ndims: rank of each array argument without its batch axes.  All
        arguments must share the same batch axes.

    Returns:
      A decorator for methods ``f(self, *arrays, *static)``.
    """

    def decorate(method: Callable) -> Callable:
        @functools.wraps(method)
        def batched(self, *args, **static):
            arrays = [jnp.asarray(a) for a in args[: len(core_ndims)]]
            rest = args[len(core_ndims) :]

            def mapped(*arrays: jax.Array):
                return method(self, *arrays, *rest, **static)

            for _ in range(arrays[0].ndim - core_ndims[0]):
                mapped = jax.vmap(mapped)
            return mapped(*arrays)

        return batched

    return decorate


@dataclasses.dataclass(frozen=True)
class Space(abc.ABC):
    """The contract; see the module's docstring for shapes.

    Attributes:
      name: the name in the registry.
      fields: one name a gene, e.g. ``"0->1"``; ``L`` of them.
      choices: number of values of each gene.
      op_names: the ``F`` node types, in the order of ``Graph.ops``.
      num_nodes: ``N``.
      size: number of genotypes that ``is_valid`` or the literature counts as
        the space (stated in each space's docstring).
    """

    name: str
    fields: tuple[str, ...]
    choices: tuple[int, ...]
    op_names: tuple[str, ...]
    num_nodes: int
    size: int

    @property
    def genotype_length(self) -> int:
        """``L``."""
        return len(self.choices)

    @property
    def num_ops(self) -> int:
        """``F``."""
        return len(self.op_names)

    @property
    def gene_values(self) -> tuple[tuple[int, ...], ...]:
        """The numbers that a gene's values stand for in tables, ascending.

        E.g. ``(3, 5)`` where the values 0 and 1 are kernels of these sides; the
        values themselves where a space does not override this.
        """
        return tuple(tuple(range(count)) for count in self.choices)

    @property
    def gene_weights(self) -> tuple[float, ...]:
        """What every gene counts where architectures are compared gene by gene.

        Multiples of a power of 2 of moderate size, so that sums are exact.
        """
        return (1.0,) * self.genotype_length

    # -- tables (host only) --------------------------------------------------

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the numbers by which a table writes a genotype: one a gene, as a rule."""
        return self.fields

    @property
    def column_values(self) -> tuple[tuple[int, ...], ...]:
        """The numbers that a table may have in each of its columns."""
        return self.gene_values

    def from_columns(self, rows: np.ndarray) -> np.ndarray:
        """Genotypes of rows whose numbers are all accepted: ``[M, columns] -> [M, L]``.

        Raises:
          SpaceError: numbers that do not go together; the message names the row.
        """
        return np.stack(
            [np.searchsorted(*p) for p in zip(self.gene_values, rows.T, strict=True)], 1
        )

    def to_columns(self, genotypes: np.ndarray) -> np.ndarray:
        """Inverse of ``from_columns``: ``[M, L] -> [M, columns]``."""
        pairs = zip(self.gene_values, np.asarray(genotypes).T, strict=True)
        return np.stack([np.asarray(values)[genes] for values, genes in pairs], axis=1)

    # -- the set of architectures ------------------------------------------

    @abc.abstractmethod
    def sample(self, key: jax.Array, n: int) -> jax.Array:
        """Draws ``n`` valid genotypes uniformly: int32 ``[n, L]``."""

    @abc.abstractmethod
    def is_valid(self, genotype: ArrayLike) -> jax.Array:
        """Whether the space accepts a genotype: ``[..., L] -> bool [...]``.

        Genes out of range are invalid, not an error.
        """

    @abc.abstractmethod
    def canonical(self, genotype: ArrayLike) -> jax.Array:
        """The representative of its isomorphism class: ``[..., L] -> [..., L]``."""

    def mutate(self, key: jax.Array, genotype: ArrayLike) -> jax.Array:
        """A uniformly drawn valid one-gene neighbour of one genotype: ``[L]``.

        A genotype without a valid neighbour is returned unchanged.  Leading
        batch axes are allowed; every row then has its own stream of ``key``.
        """
        genotype = jnp.asarray(genotype)
        if genotype.ndim > 1:
            keys = jax.random.split(key, genotype.shape[0])
            return jax.vmap(self.mutate)(keys, genotype)
        candidates = self.neighbours(genotype)
        allowed = self.is_valid(candidates) & jnp.any(candidates != genotype, axis=-1)
        index = jax.random.categorical(key, jnp.where(allowed, 0.0, -jnp.inf))
        return jnp.where(allowed.any(), candidates[index], genotype)

    @over_batch(1)
    def neighbours(self, genotype: jax.Array) -> jax.Array:
        """All changes of one gene: ``[..., L] -> [..., K, L]``.

        ``K = sum(choices) - L``.  Some rows may be invalid: ask ``is_valid``.
        """
        gene, shift = _one_gene_moves(self.choices)
        radix = jnp.asarray(self.choices, genotype.dtype)[gene]
        rows = jnp.broadcast_to(genotype, (len(gene), self.genotype_length))
        moved = (genotype[gene] + shift.astype(genotype.dtype)) % radix
        return rows.at[jnp.arange(len(gene)), gene].set(moved)

    def nearest(self, genotype: ArrayLike) -> jax.Array:
        """The closest valid genotype that can be had: ``[..., L] -> [..., L]``.

        Itself, but in a space that is a part of another.
        """
        return jnp.asarray(genotype)

    def in_range(self, genotype: ArrayLike) -> jax.Array:
        """Whether every gene has one of its values: ``[..., L] -> bool [...]``."""
        genotype = jnp.asarray(genotype)
        return jnp.all((genotype >= 0) & (genotype < jnp.asarray(self.choices)), axis=-1)

    # -- graphs --------------------------------------------------------------

    @abc.abstractmethod
    def to_graph(self, genotype: ArrayLike) -> Graph:
        """The graph of a genotype: ``[..., L] -> Graph``."""

    @abc.abstractmethod
    def from_graph(self, op_logits: ArrayLike, edge_logits: ArrayLike) -> jax.Array:
        """The best *valid* genotype under independent node and edge scores.

        Args:
          op_logits: float ``[..., N, F]``.
          edge_logits: float ``[..., N, N]``, log-odds of an edge; only the
            strict upper triangle counts.

        Returns:
          int32 ``[..., L]``, valid whatever the logits (NaN counts as the
          lowest score).
        """

    def free_decode(self, op_logits: ArrayLike, edge_logits: ArrayLike) -> jax.Array:
        """``from_graph`` without the validity constraint: ``[..., L]``.

        What ``raw_validity`` is measured on.  Spaces whose every genotype is
        valid need not override it.
        """
        return self.from_graph(op_logits, edge_logits)

    def from_graph_in_place(self, op_logits: ArrayLike, edge_logits: ArrayLike) -> jax.Array:
        """``from_graph`` with every node where the logits have it: ``[..., L]``.

        What a decoder can learn from its own logits.  Spaces whose ``from_graph``
        puts nodes into another order override it; the result is isomorphic.
        """
        return self.from_graph(op_logits, edge_logits)

    @abc.abstractmethod
    def sub_architecture(self, genotype: ArrayLike, n: int) -> jax.Array:
        """The coarse version of a genotype with ``n`` nodes: ``[..., L]``.

        Input, output and ``n - 2`` operations, written as a genotype of this
        same space: valid whenever ``genotype`` is, and ``genotype`` itself at
        ``n = N``.

        Raises:
          SpaceError: ``n`` is not in ``3 .. N``.
        """

    def check_sub_size(self, n: int) -> None:
        """Raises ``SpaceError`` unless ``3 <= n <= N``."""
        if not 3 <= n <= self.num_nodes:
            raise SpaceError(f"{self.name}: n = {n} nodes; accepted are 3 .. {self.num_nodes}")

    # -- cost ----------------------------------------------------------------

    @abc.abstractmethod
    def params(self, genotype: ArrayLike) -> jax.Array:
        """Trainable parameters of the space's standard network: float32 ``[...]``."""

    @abc.abstractmethod
    def flops(self, genotype: ArrayLike) -> jax.Array:
        """Multiply-accumulates of one forward pass: float32 ``[...]``."""

    # -- for people (host only, one genotype at a time) ----------------------

    @abc.abstractmethod
    def to_string(self, genotype: ArrayLike) -> str:
        """The format that the field uses.  Raises ``SpaceError`` if out of range."""

    @abc.abstractmethod
    def from_string(self, text: str) -> np.ndarray:
        """Inverse of ``to_string``: int32 ``[L]``.  Raises ``SpaceError``."""

    @abc.abstractmethod
    def labels(self, genotype: ArrayLike) -> Labels:
        """Node and edge names for a drawing of the architecture."""

    def check(self, genotype: ArrayLike) -> np.ndarray:
        """One genotype as int32 ``[L]``; raises ``SpaceError`` with the reason."""
        array = np.asarray(genotype)
        if array.shape != (self.genotype_length,) or array.dtype.kind not in "iu":
            raise SpaceError(
                f"{self.name}: a genotype is {self.genotype_length} integers, "
                f"got shape {array.shape} of {array.dtype}"
            )
        for field, value, count in zip(self.fields, array, self.choices, strict=True):
            if not 0 <= value < count:
                raise SpaceError(f"{self.name}: {field} = {value}; accepted are 0 .. {count - 1}")
        return array.astype(np.int32)


def as_scores(logits: ArrayLike) -> jax.Array:
    """Logits made finite: NaN and -inf as the lowest score, +inf as the highest.

    Half the range of the dtype, so that differences of two scores stay finite.
    """
    logits = jnp.asarray(logits)
    limit = float(jnp.finfo(logits.dtype).max) / 2
    finite = jnp.nan_to_num(logits, nan=-limit, posinf=limit, neginf=-limit)
    return jnp.clip(finite, -limit, limit)


def first_max(scores: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The highest of a short last axis and the first place of it: ``[..., K] -> [...], [...]``.

    What ``max`` and ``argmax`` give, by comparisons that a CPU makes for many
    rows at once; XLA reduces a short axis one entry after the other.
    """
    best, place = scores[..., 0], jnp.zeros(scores.shape[:-1], jnp.int32)
    for k in range(1, scores.shape[-1]):
        better = scores[..., k] > best
        best, place = jnp.where(better, scores[..., k], best), jnp.where(better, k, place)
    return best, place


@functools.cache
def _one_gene_moves(choices: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Gene and cyclic shift of each neighbour, ``K`` of each."""
    moves = [(i, s) for i, count in enumerate(choices) for s in range(1, count)]
    gene, shift = np.array(moves, np.int32).T
    return gene, shift


def to_index(genotype: ArrayLike, choices: tuple[int, ...]) -> jax.Array:
    """Mixed-radix rank of a genotype, first gene slowest: ``[..., L] -> int32 [...]``.

    Only for spaces with fewer than 2^31 genotypes.
    """
    place = np.cumprod((1, *choices[:0:-1]))[::-1]
    return jnp.sum(jnp.asarray(genotype) * jnp.asarray(place, jnp.int32), axis=-1, dtype=jnp.int32)


def from_index(index: ArrayLike, choices: tuple[int, ...]) -> jax.Array:
    """Inverse of ``to_index``: ``[...] -> int32 [..., L]``."""
    index = jnp.asarray(index, jnp.int32)[..., None]
    place = np.cumprod((1, *choices[:0:-1]))[::-1]
    return (index // jnp.asarray(place, jnp.int32)) % jnp.asarray(choices, jnp.int32)
