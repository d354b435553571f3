"""The networks of DARTS beside the space's counts and those of the authors' code."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax import networks, spaces
from pnag_jax.errors import UsageError
from pnag_jax.networks import counting

from .conftest import IMAGES

SPACE = spaces.get("darts")
GENOTYPES = np.asarray(SPACE.sample(jax.random.key(0), 2))
SMALL = {"channels": 4, "cells": 3}


@pytest.mark.parametrize("fields", [{"channels": 16, "cells": 8}, SMALL])
@pytest.mark.parametrize("genotype", GENOTYPES[:1])
def test_costs_are_those_of_the_space(genotype, fields):
    network = networks.build("darts", genotype, 10, **fields)
    assert counting.params(network, IMAGES) == SPACE.params(genotype, **fields)
    assert counting.flops(network, IMAGES) == SPACE.flops(genotype, **fields)


def test_the_auxiliary_head_has_the_published_size():
    """476,426: what P-DARTS has more with the head than without."""
    sizes = [
        counting.params(networks.build("darts", GENOTYPES[0], 10, auxiliary=head), IMAGES)
        for head in (False, True)
    ]
    assert sizes[0] == SPACE.params(GENOTYPES[0]) and sizes[1] - sizes[0] == 476_426


@pytest.fixture(scope="module")
def small(images):
    network = networks.build("darts", GENOTYPES[0], 3, drop_path=0.5, channels=4, cells=1)
    return network, jax.jit(network.init)(jax.random.key(0), images)


def test_logits_follow_the_images_and_paths_are_dropped_in_training_alone(small, images):
    network, variables = small
    logits = jax.jit(network.apply)(variables, images)
    assert logits.shape == (5, 3) and np.isfinite(logits).all()

    @jax.jit
    def trained(key):
        rngs = {"drop_path": key}
        return network.apply(variables, images, train=True, rngs=rngs, mutable=["batch_stats"])[0]

    first, same, other = (trained(jax.random.key(seed)) for seed in (1, 1, 2))
    assert (first == same).all() and (first != other).any()


def test_the_auxiliary_logits_are_found_beside_the_others():
    network = networks.build("darts", GENOTYPES[0], 3, auxiliary=True, **SMALL)
    images = jnp.ones((2, 32, 32, 3))
    variables = jax.eval_shape(network.init, jax.random.key(0), images)
    assert set(variables) == {"params", "batch_stats"}

    def trained(variables):
        return network.apply(variables, images, train=True, mutable=["batch_stats", "auxiliary"])

    logits, state = jax.eval_shape(trained, variables)
    assert logits.shape == state["auxiliary"]["logits"][0].shape == (2, 3)


def test_a_factorized_reduction_sees_all_pixels():
    """Weights of one half on either diagonal pixel, so that it is their sum."""
    module = networks.darts.FactorizedReduce(2)
    image = jnp.arange(16.0).reshape(1, 4, 4, 1)
    variables = jax.jit(module.init, static_argnums=2)(jax.random.key(0), image, False)
    params = jax.tree.map(jnp.ones_like, variables["params"])
    params["bn"]["bias"] = jnp.zeros(2)
    found = module.apply({**variables, "params": params}, image, False)
    np.testing.assert_allclose(found[0, ..., 0], [[0, 2], [8, 10]], rtol=1e-4)
    np.testing.assert_allclose(found[0, ..., 1], [[5, 7], [13, 15]], rtol=1e-4)


def test_what_cannot_be_built_is_refused(images):
    doubled = GENOTYPES[0].copy()
    doubled[2] = doubled[0]
    for genotype, fields, text in (
        (doubled, {}, "has one source twice"),
        (GENOTYPES[0], {"channels": 5}, "channels = 5; accepted are even"),
        (GENOTYPES[0], {"auxiliary": True, **SMALL}, "auxiliary=True with 2 x 2 pixels"),
    ):
        with pytest.raises(UsageError, match=text):
            jax.eval_shape(
                networks.build("darts", genotype, 10, **fields).init, jax.random.key(0), images
            )
