"""Uniform random search without repeats."""

from __future__ import annotations

import dataclasses

import jax

from pnag_jax.methods import archive_only, base, proposals
from pnag_jax.methods.archive_only import State


def ask(state: State, n: int) -> tuple[jax.Array, State]:
    """``n`` uniform draws among the architectures not told yet."""
    key, key_draw = jax.random.split(state.key)
    batch = proposals.empty_batch(state.archive.space, n)
    genotypes = proposals.complete_uniformly(key_draw, batch, state.archive)
    return genotypes, dataclasses.replace(state, key=key)


METHOD = archive_only.method("random", base.Settings, ask)
