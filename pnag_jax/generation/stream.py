"""Streams: any number of generated architectures, each counted once, the best kept.

Pieces of a stream are drawn on all devices at once, each from its own key, so
that a stream depends on its key and the size of its pieces and not on the
number of devices.  The host keeps the keys of what it has seen (``keys``) and
rates what is new while the devices draw the next pieces.

Letters: ``D`` devices, ``s`` architectures of a piece, ``L`` genes, ``K`` kept.
"""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, PartitionSpec

from pnag_jax.generation import generator as generators
from pnag_jax.generation import keys
from pnag_jax.generation.generator import Generator
from pnag_jax.generation.keys import KeySet

_AXIS = "devices"

# Rates architectures, more being better: int ``[m, L]`` to float ``[m]``, on the host.
Score = Callable[[np.ndarray], np.ndarray]


def on_devices(
    draw: Callable[[jax.Array], Any], devices: Sequence[Any], strategy: str = "mesh"
) -> Callable[[jax.Array], Any]:
    """A function of one key as a jitted function of keys ``[D]``, one a device.

    Nothing is exchanged between devices.

    Args:
      draw: of one device.
      devices: ``D``.
      strategy: "pmap" or "mesh".

    Returns:
      A function of keys ``[D]`` that adds a first axis ``D`` to what ``draw`` gives.
    """
    if strategy == "pmap":
        return jax.pmap(draw, devices=tuple(devices))
    mesh = Mesh(np.asarray(devices), (_AXIS,), axis_types=(AxisType.Auto,))
    spec = PartitionSpec(_AXIS)

    def one(keys: jax.Array) -> Any:
        return jax.tree.map(lambda x: x[None], draw(keys[0]))

    # Loops of the samplers start from constants, which do not vary over devices.
    return jax.jit(jax.shard_map(one, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False))


class Best(NamedTuple):
    """The best so far, best first, none twice.

    Attributes:
      keys: uint64 ``[K]``.
      scores: float64 ``[K]``.
      genotypes: int16 ``[K, L]``.
    """

    keys: np.ndarray
    scores: np.ndarray
    genotypes: np.ndarray

    def with_more(self, more: Best, most: int) -> Best:
        """The best ``most`` of these and others; of equal ones those that came first."""
        if len(self.scores) == most:
            better = more.scores > self.scores[-1]
            more = Best(*(column[better] for column in more))
        both = Best(*(np.concatenate(pair) for pair in zip(self, more, strict=True)))
        # What found no room in the set may come again.
        _, first = np.unique(both.keys, return_index=True)
        first.sort()
        order = first[np.argsort(-both.scores[first], kind="stable")[:most]]
        return Best(*(column[order] for column in both))


class Stream:
    """A stream and where it stands.

    Attributes:
      generated: architectures drawn so far.
      distinct: of those, how many different ones; those without room in the
        set not counted.
      refused: new ones, or repetitions of such, that found no room in the set.
      best: the best of those that are new.
    """

    def __init__(
        self,
        key: jax.Array,
        generator: Generator,
        *,
        seen: KeySet,
        score: Score,
        most: int,
        size: int = 131_072,
        devices: Sequence[jax.Device] | None = None,
    ):
        """A stream at its beginning.

        Args:
          key: of the whole stream, consumed.
          generator: what draws.
          seen: an empty set; its capacity bounds what is exact.
          score: rates what is new.
          most: ``K``.
          size: ``s``.
          devices: all local ones by default.
        """
        self.generated = self.refused = 0
        space = generator.model.space
        nothing = np.zeros((0, space.genotype_length), np.int16)
        self.best = Best(np.zeros(0, np.uint64), np.zeros(0), nothing)
        self._seen, self._score, self._most, self._size = seen, score, most, size
        self._key = key
        self._devices = jax.local_devices() if devices is None else list(devices)

        def draw(key: jax.Array) -> tuple[jax.Array, jax.Array]:
            genotypes = generators.generate(key, generator, size)
            return keys.words(space, genotypes), genotypes.astype(jnp.int16)

        self._draw = on_devices(draw, self._devices)

    @property
    def distinct(self) -> int:
        """See the class."""
        return len(self._seen)

    def run(self, count: int, after: Callable[[], None] | None = None) -> None:
        """Goes on until ``count`` architectures are drawn in all.

        Args:
          count: from the beginning of the stream on.
          after: called after every round, e.g. to save or to stop by an exception.
        """
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            # The devices draw a round while the host works on the one before.
            coming = pool.submit(self._round, self.generated) if self.generated < count else None
            while coming is not None:
                words, genotypes = coming.result()
                following = self.generated + len(words)
                more = following < count
                coming = pool.submit(self._round, following) if more else None
                # The last round is cut: a stream of n is the beginning of a longer one.
                self._take(words[: count - self.generated], genotypes[: count - self.generated])
                if after is not None:
                    after()

    def _round(self, start: int) -> tuple[np.ndarray, np.ndarray]:
        """The pieces from architecture ``start`` on, one a device."""
        first, inside = divmod(start, self._size)
        numbers = jnp.arange(first, first + len(self._devices), dtype=jnp.uint32)
        folded = jax.vmap(jax.random.fold_in, in_axes=(None, 0))(self._key, numbers)
        words, genotypes = jax.device_get(self._draw(folded))
        # A stream that stopped within a piece goes on within it.
        return words.reshape(-1, 2)[inside:], genotypes.reshape(-1, genotypes.shape[-1])[inside:]

    def _take(self, words: np.ndarray, genotypes: np.ndarray) -> None:
        joined = keys.join(words)
        added = self._seen.add(joined)
        self.generated += len(words)
        self.refused += added.refused
        fresh = genotypes[added.new]
        if len(fresh):
            rated = Best(joined[added.new], self._score(fresh), fresh)
            self.best = self.best.with_more(rated, self._most)

    def state(self) -> dict[str, np.ndarray]:
        """All that ``restore`` needs, beside what the stream was made of."""
        return {
            "generated": np.array(self.generated),
            "refused": np.array(self.refused),
            "seen": self._seen.keys(),
            **self.best._asdict(),
        }

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Goes back to a state of the same stream; to be called before the first ``run``."""
        self.generated, self.refused = int(state["generated"]), int(state["refused"])
        self._seen.add(state["seen"])
        self.best = Best(*(state[name] for name in Best._fields))
