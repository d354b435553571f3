"""Teaches the folded decoder to decode generated codes to valid architectures.

The decoder is trained on the codes of real architectures alone.  A count
model also draws strings that no architecture has, and there its unconstrained
argmax can be invalid.  Here it learns, on such strings, the answer of the
space's constrained decode, and on all others what it knew: no labels, no
knowledge of the space beyond ``from_graph`` and ``is_valid``.  Few strings
come out invalid; every step looks for them in a larger pool.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import optax

from pnag_jax import losses
from pnag_jax.generation import counts
from pnag_jax.generation.counts import CountModel
from pnag_jax.generation.folding import FoldedDecoder
from pnag_jax.spaces import Space


@functools.partial(jax.jit, static_argnames=("space", "read", "num_steps", "batch", "pool"))
def polish(
    key: jax.Array,
    decoder: FoldedDecoder,
    model: CountModel,
    space: Space,
    genotypes: jax.Array,
    codes: jax.Array,
    *,
    read: frozenset[int],
    num_steps: int = 2000,
    batch: int = 256,
    pool: int = 2048,
    learning_rate: float = 3e-3,
) -> FoldedDecoder:
    """The decoder fitted further.

    Args:
      key: consumed.
      decoder: from ``folding.fold``.
      model: the count model whose samples it will decode.
      space: gives validity and the constrained decode.
      genotypes: int32 ``[M, L]``, what the quantizer was trained on.
      codes: int32 ``[M, D]``, their codes.
      read: positions that the decoder reads.
      num_steps: Adam steps with a cosine schedule.
      batch: generated strings that a step learns from, and as many real ones.
      pool: generated strings among which a step looks for invalid ones.
      learning_rate: of the first step.
    """
    optimizer = optax.adam(optax.cosine_decay_schedule(learning_rate, num_steps))
    positions = sorted(read)

    def logits_of(decoder: FoldedDecoder, strings: jax.Array) -> tuple[jax.Array, jax.Array]:
        by_position: list[jax.Array | None] = [None] * codes.shape[1]
        for position, column in zip(positions, strings.T, strict=True):
            by_position[position] = column
        return decoder.logits(by_position, space)

    def loss_of(decoder: FoldedDecoder, strings: jax.Array, targets: jax.Array) -> jax.Array:
        return losses.graph_cross_entropy(*logits_of(decoder, strings), *space.to_graph(targets))

    trained = decoder

    def step(carry: tuple, index: jax.Array) -> tuple[tuple, None]:
        decoder, opt_state = carry
        key_draw, key_real = jax.random.split(jax.random.fold_in(key, index))
        codes_drawn = counts.draw(key_draw, model, max(pool, batch), wanted=read)
        drawn = jnp.stack([code for i in positions if (code := codes_drawn[i]) is not None], 1)
        logits = logits_of(decoder, drawn)
        # The sort is stable: all invalid ones, then whichever were drawn first.
        valid = space.is_valid(space.free_decode(*logits))
        hardest = jnp.argsort(valid)[:batch]
        repaired = space.from_graph_in_place(*jax.tree.map(lambda x: x[hardest], logits))
        # What is valid by now stays what it was: its own answers would let it drift.
        before = space.from_graph_in_place(*logits_of(trained, drawn[hardest]))
        answers = jnp.where(valid[hardest, None], before, repaired)
        rows = jax.random.randint(key_real, (batch,), 0, genotypes.shape[0])
        strings = jnp.concatenate([drawn[hardest], codes[rows][:, jnp.array(positions)]])
        targets = jnp.concatenate([answers, genotypes[rows]])
        gradient = jax.grad(loss_of)(decoder, strings, targets)
        updates, opt_state = optimizer.update(gradient, opt_state)
        return (optax.apply_updates(decoder, updates), opt_state), None

    start = (decoder, optimizer.init(decoder))
    (polished, _), _ = jax.lax.scan(step, start, jnp.arange(num_steps))
    return polished
