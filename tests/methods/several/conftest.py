"""Searches of the landscape, each run once."""

from __future__ import annotations

from collections.abc import Callable

import jax
import pytest

from pnag_jax.methods import several
from tests.methods.several.landscape import MACRO, measure

QUICK = {
    "nsga2": {"population": 8},
    "pnag_front": {
        "pool": 64, "candidates": 32, "mutations": 32, "preferences": 16, "draws": 8,
        "shortlist": 16,
    },
}  # fmt: skip


@pytest.fixture(scope="session")
def searched() -> Callable:
    """``(name, seed) -> state`` after 32 queries in batches of 4; each once."""
    states: dict = {}
    compiled: dict = {}

    def run(name: str, seed: int = 0):
        if (name, seed) not in states:
            method = several.get(name)
            config = {"budget": 32, "constraints": 1, **QUICK.get(name, {})}
            state = method.init(jax.random.key(seed), MACRO, config)
            if name not in compiled:
                compiled[name] = jax.jit(method.ask, static_argnums=1), jax.jit(method.tell)
            ask, tell = compiled[name]
            for _ in range(8):
                genotypes, state = ask(state, 4)
                state = tell(state, genotypes, measure(genotypes))
            states[name, seed] = state, ask, tell
        return states[name, seed]

    return run
