"""Operations and bytes: what XLA counts, what must be done, and the roofline over both.

XLA's bytes are those that its operations read and write, caches or not, and
leave out what a fusion keeps in registers; a share of the stream's bandwidth
may therefore exceed 1 where the data stays in caches.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax

from experiments.bench.machine import Peaks
from pnag_jax.generation import Generator, counts
from pnag_jax.generation.counts import CountModel

# Integer operations of `counts.hashed_bits`: two mixes of eight, and their
# combination with the sample's words.
_HASH = 2 * 8 + 3
# An index into a level of a context tree; the word of a leaf and its choice.
_STEP, _SLOT = 3, 10


class Work(NamedTuple):
    """What is done, for one architecture or one call.

    Attributes:
      flops: operations, floating point and integer alike.
      bytes: read and written.
      words: words looked up at random.
      rows: rows looked up at random.
    """

    flops: float | None
    bytes: float | None
    words: float = 0.0
    rows: float = 0.0


def of_compiled(compiled: jax.stages.Compiled) -> Work:
    """XLA's own count for one call; None for what the backend does not tell.

    The body of a loop counts once, however often it runs.
    """
    analysis: Any = compiled.cost_analysis()
    if isinstance(analysis, list):
        analysis = analysis[0] if analysis else None
    known = analysis or {}
    return Work(known.get("flops"), known.get("bytes accessed"))


def of_generation(generator: Generator) -> dict[str, Any]:
    """What generating one architecture takes, counted from the tables.

    It is the least that the tables ask for: a program that pads short contexts
    to the length of the longest looks up more words.

    Returns:
      ``words`` and ``rows`` looked up, ``bytes_read`` of them and
      ``bytes_written``; ``flops`` in all, of which ``draw_flops`` on integers
      and ``decode_flops`` in the space's constrained decode (XLA's count); and
      what these follow from: ``positions`` drawn, ``parents`` looked up,
      ``hidden`` units.
    """
    model, space = generator.counts, generator.model.space
    drawn, parents = positions_and_parents(model, generator.read)
    hidden, outputs = generator.decoder.kernel.shape
    rows = len(generator.read)
    # Every level of a context, then the leaf's word.
    words = parents + drawn
    draw = parents * _STEP + drawn * (_HASH + _SLOT)
    decode = _decode_flops(generator)
    return {
        "positions": drawn,
        "parents": parents,
        "hidden": hidden,
        "words": words,
        "rows": rows,
        "bytes_read": 4 * (words + rows * hidden),
        "bytes_written": 4 * space.genotype_length,
        "draw_flops": draw,
        "decode_flops": decode,
        # One addition a row and unit, the nonlinearity, the matrix product.
        "flops": draw + rows * hidden + hidden + 2 * hidden * outputs + outputs + decode,
    }


def positions_and_parents(model: CountModel, wanted: frozenset[int]) -> tuple[int, int]:
    """How many codes are drawn to know the wanted ones, and from how many parents in all."""
    drawn = counts.ancestors(model, wanted)
    return len(drawn), sum(len(model.layouts[i].parents) for i in drawn)


def _decode_flops(generator: Generator, count: int = 256) -> float:
    space = generator.model.space
    nodes = jax.ShapeDtypeStruct((count, space.num_nodes, space.num_ops), "float32")
    edges = jax.ShapeDtypeStruct((count, space.num_nodes, space.num_nodes), "float32")
    work = of_compiled(jax.jit(space.from_graph).lower(nodes, edges).compile())
    return (work.flops or 0.0) / count


def roofline(work: Work, peaks: Peaks, seconds: float) -> dict[str, Any]:
    """How near a time is to the least that the machine's peaks allow.

    Args:
      work: what was done.
      peaks: from ``machine.measure``.
      seconds: that it took.

    Returns:
      ``share``: least time / time, the least time being that of the scarcest
      resource alone, named by ``limit``; and the share of each, None where
      the work is not known.
    """
    least = {
        "flops": None if work.flops is None else work.flops / peaks.flops,
        "bytes": None if work.bytes is None else work.bytes / peaks.bytes,
        "gathers": work.words / peaks.words + work.rows / peaks.rows,
    }
    shares = {name: None if value is None else value / seconds for name, value in least.items()}
    limit = max(shares, key=lambda name: shares[name] or 0.0)
    return {"share": shares[limit], "limit": limit, "shares": shares}
