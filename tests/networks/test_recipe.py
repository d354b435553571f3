"""Loss, schedule and augmentation against values worked out by hand."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax.errors import UsageError
from pnag_jax.networks import recipe
from pnag_jax.networks.recipe import Recipe


def test_label_smoothing():
    logits, labels = jnp.log(jnp.array([[0.5, 0.25, 0.25]])), jnp.array([0])
    plain = recipe.loss(Recipe(), logits, labels)
    smooth = recipe.loss(Recipe(label_smoothing=0.3), logits, labels)
    assert plain == pytest.approx(math.log(2))
    # 0.7 + 0.1 on the label, 0.1 on each other.
    assert smooth == pytest.approx(0.8 * math.log(2) + 0.2 * math.log(4))


def test_steps_fall_on_a_cosine_and_decay_pulls_to_zero():
    """Without momentum, gradient zero: p (1 - rate decay) with rates 1, 1/2 of two steps."""
    chosen = Recipe(epochs=1, learning_rate=1.0, momentum=0.0, weight_decay=0.1)
    optimizer = recipe.optimizer(chosen, 2)
    params, zero = {"a": jnp.ones(2), "b": jnp.ones(())}, {"a": jnp.zeros(2), "b": jnp.zeros(())}
    state = optimizer.init(params)
    for expected in (0.9, 0.9 * 0.95):
        updates, state = optimizer.update(zero, state, params)
        params = jax.tree.map(jnp.add, params, updates)
        for leaf in jax.tree.leaves(params):
            np.testing.assert_allclose(leaf, expected, rtol=1e-6)


def test_augmentation_moves_and_mirrors_each_image_by_itself():
    image = jnp.arange(1.0, 10.0).reshape(1, 3, 3, 1)
    images = jnp.repeat(image, 200, axis=0)
    padded = np.pad(image[0, :, :, 0], 1)
    moved = [padded[i : i + 3, j : j + 3] for i in range(3) for j in range(3)]
    accepted = {x.tobytes() for way in moved for x in (way, way[:, ::-1].copy())}
    found = recipe.augment(Recipe(shift=1, flip=True), jax.random.key(0), images)
    seen = {np.asarray(x)[:, :, 0].tobytes() for x in found}
    assert seen == accepted
    same = recipe.augment(Recipe(), jax.random.key(0), images)
    np.testing.assert_array_equal(same, images)


@pytest.mark.parametrize(
    ("field", "value"),
    [("epochs", 0), ("batch_size", 1), ("learning_rate", float("nan")), ("label_smoothing", 1.0)],
)
def test_a_field_out_of_range_is_named(field, value):
    with pytest.raises(UsageError, match=f"{field} = .*accepted are numbers from"):
        Recipe(**{field: value})
