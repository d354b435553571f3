"""Training many at once: what becomes of one does not depend on the others."""

from __future__ import annotations

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax.errors import UsageError
from pnag_jax.networks import member
from pnag_jax.networks.member import Alone
from pnag_jax.networks.population_training import Trainer
from pnag_jax.networks.recipe import Recipe
from tests.networks import toy

RECIPE = Recipe(epochs=2, batch_size=8, shift=1, weight_decay=0.0)
GENOTYPES = np.array([[0], [1], [2], [3]])
SEEDS = np.array([5, 6, 7, 8])


def trained(trainer, rows, epochs=2):
    """Final members (host) and their accuracies, of these rows in this order."""
    placed = trainer.place(trainer.create(GENOTYPES[rows], SEEDS[rows]))
    for number in range(epochs):
        placed, _ = trainer.epoch(placed, number)
    return trainer.fetch(placed, len(rows)), trainer.accuracies(placed, len(rows))


@pytest.fixture(scope="module", params=[True, False], ids=["loop", "vmap"])
def trainer(request):
    return Trainer(
        toy.Toy(), RECIPE, toy.data(), devices=jax.local_devices()[:2], loop=request.param
    )


def test_a_member_is_the_same_beside_others_and_elsewhere(trainer):
    members, accuracies = trained(trainer, [0, 1, 2, 3])
    for rows in ([3, 2, 1, 0], [2, 2, 0, 2]):
        others, found = trained(trainer, rows)
        for place, row in enumerate(rows):
            one, same = (
                jax.tree.map(lambda x, i=i: x[i], tree)
                for tree, i in ((members, row), (others, place))
            )
            chex.assert_trees_all_equal(one, same)
            assert all(found[name][place] == accuracies[name][row] for name in found)


def test_members_fill_up_the_devices(trainer):
    members, accuracies = trained(trainer, [0, 1, 2])
    assert members.seed.tolist() == [5, 6, 7]
    assert {x.shape for x in accuracies.values()} == {(3,)}


def test_training_learns_and_names_what_it_found(trainer):
    placed = trainer.place(trainer.create(GENOTYPES, SEEDS))
    losses = []
    for number in range(6):
        placed, logged = trainer.epoch(placed, number)
        losses.append(trainer.fetch(logged["loss"], 4).mean())
    assert losses[-1] < 0.7 * losses[0]
    found = trainer.accuracies(placed, 4)
    assert (found["valid_accuracy"] > 75).all()
    # Of 15 images: no accuracy lies between.
    np.testing.assert_allclose(found["valid_accuracy"] * 15 / 100 % 1 % 1, 0, atol=1e-4)


def test_an_epoch_is_compiled_once():
    traces = []

    class Watched(toy.Toy):
        @toy.nn.compact
        def __call__(self, genotype, images, *, train=False):
            traces.append(train)
            return super().__call__(genotype, images, train=train)

    trainer = Trainer(Watched(), RECIPE, toy.data(), devices=jax.local_devices()[:1])
    placed = trainer.place(trainer.create(GENOTYPES, SEEDS))
    placed, _ = trainer.epoch(placed, 0)
    after_first = len(traces)
    trainer.epoch(placed, 1)
    assert len(traces) == after_first > 0


def test_a_batch_of_more_images_than_there_are():
    with pytest.raises(UsageError, match="batch_size = 64; accepted are numbers from 2 to 40"):
        Trainer(toy.Toy(), Recipe(batch_size=64), toy.data())


def test_one_network_is_trained_as_a_population_of_itself():
    class Plain(toy.nn.Module):
        @toy.nn.compact
        def __call__(self, images, *, train=False):
            return toy.Toy(name="toy")(jnp.zeros(1), images, train=train)

    _, found = trained(
        Trainer(Alone(Plain()), RECIPE, toy.data(), devices=jax.local_devices()[:1]), [0]
    )
    assert found["test_accuracy"].shape == (1,)


def test_a_member_stops_when_validation_does_not_improve():
    """With a rate that changes nothing the first epoch stays the best one."""
    recipe = Recipe(epochs=5, batch_size=8, learning_rate=1e-12, patience=1)
    data = toy.data()
    net = toy.Toy()
    one = member.create(net, recipe, data.train, jnp.array([0]), jnp.uint32(1))
    # Moments of batch norm would still move the accuracy.
    one = one.replace(best=jnp.float32(101.0))
    run = jax.jit(lambda one, n: member.epoch(net, recipe, one, data.train, data.valid, n))
    one, logged = run(one, 0)
    assert one.waited == 1 and logged["valid_accuracy"] < 101
    stopped, logged = run(one, 1)
    chex.assert_trees_all_equal(stopped, one)
    assert jnp.isnan(logged["loss"]) and logged["valid_accuracy"] == 101


def test_accuracy_counts_images_that_fill_no_batch():
    """All logits say class 0: 7 of 13 test images, in batches of 8."""
    data, net = toy.data(), toy.Toy()
    one = member.create(net, RECIPE, data.train, jnp.array([0]), jnp.uint32(1))
    zero = jax.tree.map(jnp.zeros_like, one.state.params)
    one = one.replace(state=one.state.replace(params=zero))
    assert member.accuracy(net, RECIPE, one, data.test) == pytest.approx(700 / 13)
