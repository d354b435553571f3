"""Training in memory."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from pnag_jax import generation, spaces
from pnag_jax.models import stage1
from pnag_jax.models.stage1 import Stage1


def test_few_architectures_make_one_batch_and_the_key_decides():
    space = spaces.get("macro")
    model = Stage1(space=space, channels=3, num_codes=4, width=8, hidden=8, schedule="geometric")
    genotypes = np.asarray(space.sample(jax.random.key(0), 10))
    one, same = (
        generation.train_variables(jax.random.key(0), model, genotypes, num_epochs=2)
        for _ in range(2)
    )
    jax.tree.map(np.testing.assert_array_equal, one, same)
    expected = jax.eval_shape(lambda key: stage1.init(key, model), jax.random.key(0))
    assert jax.tree.map(jnp.shape, one) == jax.tree.map(jnp.shape, expected)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(one))
