from __future__ import annotations

import jax
import numpy as np

from pnag_jax.methods.random_search import METHOD


def test_draws_are_uniform_over_what_is_left(tiny):
    """111 is known: each of the other six valid genotypes has a chance of 1 / 6."""

    def first_draw(key):
        state = METHOD.init(key, tiny, {"budget": 7})
        state = METHOD.tell(state, np.array([[1, 1, 1]]), np.array([1.0]))
        return METHOD.ask(state, 1)[0][0]

    draws = 6_000
    drawn = jax.jit(jax.vmap(first_draw))(jax.random.split(jax.random.key(0), draws))
    counts = np.bincount(np.asarray(drawn) @ np.array([4, 2, 1]), minlength=8)
    assert counts[0] == 0 and counts[7] == 0
    # Chi-squared of five degrees of freedom: above 20.5 in 0.1 % of all cases.
    assert ((counts[1:7] - draws / 6) ** 2 / (draws / 6)).sum() < 20.5
