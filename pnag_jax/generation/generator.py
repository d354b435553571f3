"""A generator of architectures that evaluates no network.

Tables of counts draw the codes, folded tables decode them, the space's
constrained decode makes them valid: one jitted function of a key.

Letters: ``n`` samples, ``L`` genes, ``M`` trained-on architectures, ``D``
codes each, ``T`` scales.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from pnag_jax.generation import counts, folding, polish
from pnag_jax.generation.counts import CountModel
from pnag_jax.generation.folding import FoldedDecoder
from pnag_jax.models import stage1
from pnag_jax.models.stage1 import Stage1, Variables

# Samples that are drawn together: their rows stay in the caches of a CPU.
_CHUNK = 32_768
# The same for encoding, whose arrays are larger.
_ENCODED = 128


@dataclasses.dataclass(frozen=True, eq=False)
class Generator:
    """Everything that generation needs; compared and hashed by identity.

    Attributes:
      model: the quantizer's hyperparameters, and the space.
      variables: its trained variables, for encoding and for partial maps.
      counts: the count model.
      decoder: the folded decoder.
      genotypes: int32 ``[M, L]``, what was counted.
      codes: int32 ``[M, D]``, their codes.
    """

    model: Stage1
    variables: Variables
    counts: CountModel
    decoder: FoldedDecoder
    genotypes: np.ndarray
    codes: np.ndarray

    @functools.cached_property
    def read(self) -> frozenset[int]:
        """Positions of the codes that the decoder reads."""
        return folding.read_positions(self.model)


def build(
    key: jax.Array,
    model: Stage1,
    variables: Variables,
    genotypes: np.ndarray,
    *,
    max_parents: int = 3,
    min_gain: float = 0.01,
    min_count: int = 8,
    fine_first: bool = False,
    polish_steps: int = 2000,
    polish_pool: int = 2048,
    polish_rate: float = 3e-3,
) -> Generator:
    """Counts a training set with a trained quantizer and folds its decoder.

    Args:
      key: consumed.
      model: static.
      variables: trained.
      genotypes: int ``[M, L]``.
      max_parents: see ``counts.fit``; so are ``min_gain`` and ``min_count``.
      fine_first: draw the codes that the decoder reads before the coarser ones.
        Coarse codes overlap, so that drawn first they contradict each other, and
        what is drawn from them does too; but what is to be steered half-way from
        coarse to fine has to begin with them.
      polish_steps: see ``polish.polish``; 0 leaves the decoder as trained.
      polish_pool: generated strings among which each of its steps looks for invalid ones.
      polish_rate: learning rate of its first step.
    """
    codes = encode_all(model, variables, genotypes)
    count_model = counts.fit(
        codes,
        model.num_codes,
        max_parents=max_parents,
        min_gain=min_gain,
        min_count=min_count,
        first=folding.read_positions(model) if fine_first else (),
    )
    generator = Generator(
        model,
        variables,
        count_model,
        folding.fold(model, variables),
        np.asarray(genotypes, np.int32),
        codes,
    )
    if not polish_steps:
        return generator
    decoder = polish.polish(
        key,
        generator.decoder,
        count_model,
        model.space,
        jnp.asarray(genotypes, jnp.int32),
        jnp.asarray(codes),
        read=generator.read,
        num_steps=polish_steps,
        pool=polish_pool,
        learning_rate=polish_rate,
    )
    return dataclasses.replace(generator, decoder=decoder)


@functools.partial(jax.jit, static_argnames="model")
def encode(model: Stage1, variables: Variables, genotypes: jax.Array) -> jax.Array:
    """Codes of architectures: ``[m, L] -> int32 [m, D]``."""

    def chunk(genotypes: jax.Array) -> jax.Array:
        return stage1.upper(stage1.encode(model, variables, genotypes).codes)

    if len(genotypes) <= _ENCODED:
        return chunk(genotypes)
    padding = -len(genotypes) % _ENCODED
    padded = jnp.pad(genotypes, ((0, padding), (0, 0)), mode="edge")
    chunks = padded.reshape(-1, _ENCODED, genotypes.shape[1])
    return jax.lax.map(chunk, chunks).reshape(len(padded), -1)[: len(genotypes)]


def encode_all(
    model: Stage1, variables: Variables, genotypes: np.ndarray, *, batch: int = 4096
) -> np.ndarray:
    """Codes of any number of architectures, on the host: ``[M, L] -> int32 [M, D]``.

    Args:
      model: static.
      variables: trained.
      genotypes: int ``[M, L]``.
      batch: architectures that are on the device at a time.
    """
    batch = min(batch, -(-len(genotypes) // _ENCODED) * _ENCODED)
    padded = np.resize(genotypes, (-(-len(genotypes) // batch) * batch, genotypes.shape[1]))
    parts = [
        np.asarray(encode(model, variables, padded[i : i + batch]))
        for i in range(0, len(padded), batch)
    ]
    return np.concatenate(parts)[: len(genotypes)]


class _Tables(NamedTuple):
    """The arrays of a generator, as jitted functions take them."""

    counts: CountModel
    decoder: FoldedDecoder


@functools.partial(jax.jit, static_argnames=("model", "read", "n", "raw"))
def _generate(
    key: jax.Array,
    tables: _Tables,
    weights: jax.Array | None,
    *,
    model: Stage1,
    read: frozenset[int],
    n: int,
    raw: bool,
) -> jax.Array:
    def chunk(key: jax.Array, size: int) -> jax.Array:
        codes = counts.draw(key, tables.counts, size, wanted=read, weights=weights)
        seen = [code if i in read else None for i, code in enumerate(codes)]
        logits = tables.decoder.logits(seen, model.space)
        return model.space.free_decode(*logits) if raw else model.space.from_graph(*logits)

    if n <= _CHUNK:
        return chunk(key, n)
    keys = jax.random.split(key, -(-n // _CHUNK))
    chunks = jax.lax.map(lambda k: chunk(k, _CHUNK), keys)
    return chunks.reshape(-1, model.space.genotype_length)[:n]


def generate(
    key: jax.Array,
    generator: Generator,
    n: int,
    *,
    weights: jax.Array | None = None,
    raw: bool = False,
) -> jax.Array:
    """Draws ``n`` independent architectures: int32 ``[n, L]``.

    Args:
      key: consumed.
      generator: from ``build``.
      n: number of samples; one compilation each.
      weights: non-negative ``[M]``, one an architecture of
        ``generator.genotypes``: generation conditional on whatever they
        measure, at the price of one weighted count.
      raw: decode without the space's constraint; such samples may be invalid.
    """
    tables = _Tables(generator.counts, generator.decoder)
    return _generate(key, tables, weights, model=generator.model, read=generator.read, n=n, raw=raw)


def draw_codes(
    key: jax.Array, generator: Generator, n: int, *, weights: jax.Array | None = None
) -> jax.Array:
    """Draws ``n`` code strings of all positions: int32 ``[n, D]``.

    Args:
      key: consumed; the same as in ``generate``, for the same strings.
      generator: from ``build``.
      n: at most a few thousand.
      weights: as in ``generate``.
    """
    drawn = counts.draw(key, generator.counts, n, weights=weights)
    return jnp.stack([code for code in drawn if code is not None], axis=-1)


def decode_codes(generator: Generator, codes: ArrayLike) -> jax.Array:
    """The valid genotypes of code strings: ``[n, D] -> int32 [n, L]``."""
    codes = jnp.asarray(codes)
    seen = [codes[:, i] if i in generator.read else None for i in range(codes.shape[1])]
    logits = generator.decoder.logits(seen, generator.model.space)
    return generator.model.space.from_graph(*logits)


def generate_distinct(
    key: jax.Array, generator: Generator, n: int, *, max_rounds: int = 100
) -> np.ndarray:
    """Draws without replacement: up to ``n`` distinct genotypes, int32 ``[n', L]``.

    Repeats are dropped and drawn again, so that the samples are not
    independent: a uniqueness of 1 then says nothing about the generator.

    Args:
      key: consumed.
      generator: from ``build``.
      n: how many are wanted; fewer come back where the generator's support
        seems smaller (``max_rounds`` rounds of ``n`` draws).
      max_rounds: as above.
    """
    found = np.empty((0, generator.model.space.genotype_length), np.int32)
    for round_ in range(max_rounds):
        drawn = np.asarray(generate(jax.random.fold_in(key, round_), generator, n))
        both = np.concatenate([found, drawn])
        _, first = np.unique(both, axis=0, return_index=True)
        found = both[np.sort(first)][:n]
        if len(found) == n:
            break
    return found


class Step(NamedTuple):
    """One step of a coarse-to-fine path: ``nodes`` and the genotype ``[L]``."""

    nodes: int
    genotype: np.ndarray


def path(key: jax.Array, generator: Generator) -> list[Step]:
    """The way of one sample from 3 nodes to ``N``; every step is valid.

    Step ``t`` decodes the accumulated map after scale ``t`` and keeps the
    sub-architecture of its number of nodes.  The last step is the sample that
    ``generate(key, generator, 1)`` returns.
    """
    model, space = generator.model, generator.model.space
    flat = draw_codes(key, generator, 1)
    maps = stage1.partial_maps(model, generator.variables, stage1.from_upper(flat, model.scales))
    steps = []
    for nodes, partial in zip(model.scales[:-1], maps[:-1], strict=True):
        whole = space.from_graph(*stage1.decode(model, generator.variables, partial[0]))
        steps.append(Step(nodes, np.asarray(space.sub_architecture(whole, nodes))))
    last = np.asarray(generate(key, generator, 1)[0])
    return [*steps, Step(model.scales[-1], last)]
