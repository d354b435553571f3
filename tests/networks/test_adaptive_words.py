"""Words in bins against the sums that they stand for."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax.networks.adaptive_words import AdaptiveWords

BINS = (3, 2, 4)
TOKENS = jnp.array([[0, 2, 3, 4, 5, 8]])


def made(bins, d_model, d_embed, div_val):
    """A module and parameters that are not zero, biases included."""
    words = AdaptiveWords(bins, d_model, d_embed, div_val)

    def both(words, tokens):
        return words.logits(words.embed(tokens))

    shapes = jax.eval_shape(lambda key: words.init(key, TOKENS, method=both), jax.random.key(0))
    leaves, tree = jax.tree.flatten(shapes)
    rng = np.random.default_rng(0)
    values = [rng.normal(size=leaf.shape).astype(np.float32) for leaf in leaves]
    return words, jax.tree.unflatten(tree, values)


def vectors(params, div_val) -> list[np.ndarray]:
    """Every bin's words as they enter the model: ``[words, D]``."""
    if div_val == 1:
        table = params["words0"] @ params.get("way_in0", np.eye(params["words0"].shape[1]))
        return np.split(table, np.cumsum(BINS)[:-1])
    return [params[f"words{i}"] @ params[f"way_in{i}"] for i in range(len(BINS))]


@pytest.mark.parametrize(("d_model", "d_embed", "div_val"), [(4, 4, 1), (4, 8, 1), (8, 8, 2)])
def test_words_enter_by_the_table_of_their_bin(d_model, d_embed, div_val):
    words, variables = made(BINS, d_model, d_embed, div_val)
    every = np.concatenate(vectors(variables["params"], div_val)) * d_model**0.5
    found = words.apply(variables, TOKENS, method="embed")
    np.testing.assert_allclose(found[0], every[TOKENS[0]], rtol=1e-5)


@pytest.mark.parametrize(("d_model", "d_embed", "div_val"), [(4, 4, 1), (4, 8, 1), (8, 8, 2)])
def test_words_leave_by_their_bin_and_their_place_in_it(d_model, d_embed, div_val):
    words, variables = made(BINS, d_model, d_embed, div_val)
    p = variables["params"]
    h = np.random.default_rng(1).normal(size=d_model).astype(np.float32)
    # The first bin's words and the further bins are compared by a way of their own.
    out = p["way_out"] @ h if "way_out" in p else h
    tables = [p["words0"][:3] if div_val == 1 else p["words0"]]
    first = np.concatenate([tables[0] @ out + p["bias"][:3], p["clusters"] @ out])
    first[3:] += p["clusters_bias"]
    first = np.asarray(jax.nn.log_softmax(first))
    scores = [table @ h for table in vectors(p, div_val)]
    expected = np.concatenate(
        [
            first[:3],
            first[3] + jax.nn.log_softmax(scores[1] + p["bias"][3:5]),
            first[4] + jax.nn.log_softmax(scores[2] + p["bias"][5:]),
        ]
    )
    found = words.apply(variables, h[None, None], method="logits")[0, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(np.exp(found).sum(), 1, rtol=1e-4)


def test_one_bin_is_a_plain_softmax():
    words, variables = made((9,), 4, 4, 1)
    p = variables["params"]
    assert set(p) == {"words0", "bias"}
    h = np.ones(4, np.float32)
    found = words.apply(variables, h[None, None], method="logits")[0, 0]
    np.testing.assert_allclose(found, p["words0"] @ h + p["bias"], rtol=1e-5)
