"""The polish keeps what the decoder knew and makes more of its samples valid."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from pnag_jax import generation


def reconstruction(generator, genotypes) -> float:
    """Share of architectures whose own codes decode to them, without constraint."""
    codes = generation.encode_all(generator.model, generator.variables, genotypes)
    logits = jax.jit(generator.decoder.logits, static_argnums=1)(
        [jnp.asarray(c) for c in codes.T], generator.model.space
    )
    found = np.asarray(generator.model.space.free_decode(*logits))
    return float((found == genotypes).all(-1).mean())


def raw_validity(generator) -> float:
    raw = generation.generate(jax.random.key(5), generator, 4000, raw=True)
    return float(generator.model.space.is_valid(raw).mean())


def test_polish_raises_raw_validity(nb201_trained):
    before, after = (raw_validity(g) for g in (nb201_trained.unpolished, nb201_trained.generator))
    assert before < 1  # else there was nothing to gain
    assert 1 - after < 0.8 * (1 - before)


def test_polish_keeps_held_out_reconstruction(any_trained):
    held_out = any_trained.split.held_out
    before, after = (
        reconstruction(g, held_out) for g in (any_trained.unpolished, any_trained.generator)
    )
    assert before > 0.8
    assert after > before - 0.08  # of a decoder that is not trained to the end


def test_polish_moves_all_of_the_decoder(any_trained):
    before, after = any_trained.unpolished.decoder, any_trained.generator.decoder
    for name in before._fields:
        moved = np.abs(getattr(after, name) - getattr(before, name))
        assert np.isfinite(moved).all() and moved.max() > 1e-4, name


def test_without_polish_the_decoder_is_the_folded_one(nb201_trained):
    generator = nb201_trained.generator
    plain = generation.build(
        jax.random.key(0),
        generator.model,
        generator.variables,
        generator.genotypes[:200],
        max_parents=0,
        polish_steps=0,
    )
    np.testing.assert_allclose(plain.decoder.kernel, nb201_trained.unpolished.decoder.kernel)
