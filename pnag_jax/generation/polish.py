"""Teaches the folded decoder to decode generated codes to valid architectures.

The decoder is trained on the codes of real architectures alone.  A count
model also draws strings that no architecture has, and there its unconstrained
argmax can be invalid.  Here it learns, on such strings, the answer of the
space's constrained decode, and on real strings what it knew: no labels, no
knowledge of the space beyond ``from_graph``.
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


@functools.partial(jax.jit, static_argnames=("space", "read", "num_steps", "batch"))
def polish(
    key: jax.Array,
    decoder: FoldedDecoder,
    model: CountModel,
    space: Space,
    genotypes: jax.Array,
    codes: jax.Array,
    *,
    read: frozenset[int],
    num_steps: int = 300,
    batch: int = 256,
    learning_rate: float = 3e-3,
) -> FoldedDecoder:
    """The decoder with all but its rows fitted further.

    Args:
      key: consumed.
      decoder: from ``folding.fold``.
      model: the count model whose samples it will decode.
      space: gives the constrained decode.
      genotypes: int32 ``[M, L]``, what the quantizer was trained on.
      codes: int32 ``[M, D]``, their codes.
      read: positions that the decoder reads.
      num_steps: Adam steps with a cosine schedule.
      batch: generated strings a step, and as many real ones.
      learning_rate: of the first step.
    """
    optimizer = optax.adam(optax.cosine_decay_schedule(learning_rate, num_steps))

    def loss_of(trained: tuple[jax.Array, ...], rows: jax.Array, targets: jax.Array) -> jax.Array:
        logits = _with(decoder, trained).head(rows, space)
        return losses.graph_cross_entropy(*logits, *space.to_graph(targets))

    def step(carry: tuple, index: jax.Array) -> tuple[tuple, None]:
        trained, opt_state = carry
        key_draw, key_real = jax.random.split(jax.random.fold_in(key, index))
        drawn = counts.draw(key_draw, model, batch, wanted=read)
        rows = jax.random.randint(key_real, (batch,), 0, genotypes.shape[0])
        strings: list[jax.Array | None] = [
            jnp.concatenate([code, codes[rows, i]]) if i in read and code is not None else None
            for i, code in enumerate(drawn)
        ]
        summed = decoder.preactivation(strings)
        answers = space.from_graph(*_with(decoder, trained).head(summed[:batch], space))
        targets = jnp.concatenate([answers, genotypes[rows]])
        gradient = jax.grad(loss_of)(trained, summed, targets)
        updates, opt_state = optimizer.update(gradient, opt_state)
        return (optax.apply_updates(trained, updates), opt_state), None

    trained = (decoder.bias, decoder.kernel, decoder.offset)
    start = (trained, optimizer.init(trained))
    (trained, _), _ = jax.lax.scan(step, start, jnp.arange(num_steps))
    return _with(decoder, trained)


def _with(decoder: FoldedDecoder, trained: tuple[jax.Array, ...]) -> FoldedDecoder:
    bias, kernel, offset = trained
    return decoder._replace(bias=bias, kernel=kernel, offset=offset)
