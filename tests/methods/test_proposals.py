from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from pnag_jax import spaces
from pnag_jax.methods import archive as archives
from pnag_jax.methods.proposals import Batch, complete_uniformly, empty_batch

CONV, CONV_AFTER_SKIP, POOL = [0, 0, 0, 3, 0, 0], [1, 0, 0, 0, 3, 0], [0, 0, 0, 4, 0, 0]
SKIP, CONV1, NOT_FUNCTIONAL = [0, 0, 0, 1, 0, 0], [0, 0, 0, 2, 0, 0], [3, 0, 0, 0, 0, 0]


def test_only_what_is_new_is_taken_in_order_up_to_the_limit():
    space = spaces.get("nb201")
    archive = archives.empty(space, 4).insert([POOL], [1.0])
    add = jax.jit(Batch.add)
    candidates = np.array([NOT_FUNCTIONAL, POOL, CONV, CONV_AFTER_SKIP, SKIP, CONV1])
    batch = add(empty_batch(space, 4), archive, candidates, 2)
    assert batch.count == 2
    assert batch.genotypes[:2].tolist() == [CONV, SKIP]
    batch = add(batch, archive, candidates[::-1], 4)
    assert batch.count == 3 and batch.genotypes[:3].tolist() == [CONV, SKIP, CONV1]


def test_a_draw_that_finds_nothing_new_gives_up():
    space = spaces.get("nb201")
    archive = archives.empty(space, 4)

    def propose(key, m):
        return jnp.broadcast_to(jnp.array(CONV), (m, 6))

    batch = empty_batch(space, 3).draw(jax.random.key(0), archive, propose, 3)
    assert batch.count == 1 and batch.genotypes.tolist() == [CONV] * 3


def test_a_limit_of_zero_draws_nothing():
    space = spaces.get("nb201")
    archive = archives.empty(space, 4)
    batch = empty_batch(space, 3).draw(jax.random.key(0), archive, space.sample, 0)
    assert batch.count == 0


def test_where_all_is_known_it_repeats_valid_ones(tiny):
    everything = [[(i >> 2) & 1, (i >> 1) & 1, i & 1] for i in range(8)]
    archive = archives.empty(tiny, 8).insert(everything, jnp.arange(8.0))
    proposals = complete_uniformly(jax.random.key(0), empty_batch(tiny, 5), archive)
    assert proposals.shape == (5, 3) and bool(tiny.is_valid(proposals).all())
