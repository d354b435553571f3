"""Language models beside the space's counts, and what they may look at."""

from __future__ import annotations

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax import networks, spaces
from pnag_jax.errors import UsageError
from pnag_jax.networks import counting, gpt2
from pnag_jax.spaces.gpt2_costs import FORMS, VOCABULARY

SPACE = spaces.get("gpt2")
FORMS_OF = {"wt103": {}, "lm1b": {"cutoffs": (), "form": "transformer_xl"}}
TOKENS = jax.ShapeDtypeStruct((1, FORMS["wt103"].context), jnp.int32)


def config(**change) -> np.ndarray:
    sizes = {"n_layer": 2, "d_model": 64, "d_embed": 128, "div_val": 1}
    layers = {"n_head": [2, 8], "d_inner": [512, 1071]}
    return SPACE.from_string(json.dumps(sizes | layers | change))


@pytest.mark.parametrize("dataset", FORMS_OF)
@pytest.mark.parametrize(
    "change",
    [{}, {"d_model": 128}, {"d_model": 128, "div_val": 2}, {"d_embed": 512, "div_val": 4}],
)
def test_costs_are_those_of_the_space(dataset, change):
    genotype = config(**change)
    network = networks.build("gpt2", genotype, VOCABULARY, **FORMS_OF[dataset])
    assert counting.params(network, TOKENS) == SPACE.params(genotype, dataset=dataset)
    flops = counting.flops(network, TOKENS)
    np.testing.assert_allclose(SPACE.flops(genotype, dataset=dataset), flops, rtol=1e-7)


# 40 words in three bins.
SMALL = {"wt103": {"cutoffs": (10, 20), "context": 6}, "lm1b": FORMS_OF["lm1b"]}


@pytest.fixture(scope="module", params=SMALL)
def small(request):
    network = networks.build("gpt2", config(), 40, **SMALL[request.param])
    tokens = jax.random.randint(jax.random.key(1), (2, 6), 0, 40)
    variables = jax.jit(network.init)(jax.random.key(0), tokens)
    return network, variables, tokens


def test_no_logit_knows_a_later_token(small):
    network, variables, tokens = small
    apply = jax.jit(network.apply)
    before = apply(variables, tokens)
    assert before.shape == (2, 6, 40) and bool(jnp.isfinite(before).all())
    after = apply(variables, tokens.at[:, 3].set((tokens[:, 3] + 1) % 40))
    np.testing.assert_allclose(before[:, :3], after[:, :3], atol=1e-6)
    assert (jnp.abs(before - after)[:, 3:].max(axis=(0, 2)) > 1e-6).all()


def test_dropout_is_drawn_in_training_alone(small):
    network, variables, tokens = small
    apply = jax.jit(lambda key: network.apply(variables, tokens, train=True, rngs={"dropout": key}))
    draws = [apply(jax.random.key(seed)) for seed in (0, 1)]
    assert (draws[0] != draws[1]).any()


def test_keys_of_distances_meet_the_queries_that_far():
    rng = np.random.default_rng(0)
    q, r = rng.normal(size=(1, 4, 2, 3)), rng.normal(size=(4, 2, 3))
    found = gpt2.by_distance(jnp.asarray(q), jnp.asarray(r))
    for head in range(2):
        for i in range(4):
            for j in range(i + 1):
                expected = q[0, i, head] @ r[i - j, head]
                np.testing.assert_allclose(found[0, head, i, j], expected, rtol=1e-5)


def test_distances_are_sines_and_cosines():
    found = gpt2.distances(3, 4)
    np.testing.assert_allclose(found[0], [0, 0, 1, 1])
    np.testing.assert_allclose(found[2], np.r_[np.sin([2, 0.02]), np.cos([2, 0.02])], rtol=1e-5)


def test_bad_input_is_one_clear_line(small):
    network, variables, tokens = small
    if network.skeleton.form == "gpt2":
        with pytest.raises(UsageError, match="sequences of 12 tokens; accepted are up to 6"):
            network.apply(variables, jnp.tile(tokens, (1, 2)))
    with pytest.raises(UsageError, match="form = 'bert'; accepted are gpt2, transformer_xl"):
        networks.build("gpt2", config(), 40, form="bert")
    missing = config()
    missing[4] = 0
    with pytest.raises(UsageError, match=r"gpt2: .* is no architecture; accepted are as many"):
        networks.build("gpt2", missing, 40)
