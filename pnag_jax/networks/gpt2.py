"""The decoder language models of LiteTransformerSearch.

Javaheripi et al., NeurIPS 2022.  Two forms, see ``spaces.gpt2_costs``: a GPT-2
(Radford et al., "Language Models are Unsupervised Multitask Learners", 2019) and
a Transformer-XL (Dai et al., ACL 2019), here without memory of earlier
sequences.

Letters of shapes: ``B`` sequences, ``T`` tokens, ``D`` width of the model, ``V``
words, ``H`` heads, ``K`` width of a head.
"""

from __future__ import annotations

import dataclasses
import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from pnag_jax.errors import UsageError
from pnag_jax.networks import transformer
from pnag_jax.networks.adaptive_words import AdaptiveWords
from pnag_jax.networks.transformer import Mlp
from pnag_jax.spaces.gpt2 import Gpt2
from pnag_jax.spaces.gpt2_costs import FORMS, Form

_FORMS = ("gpt2", "transformer_xl")


@dataclasses.dataclass(frozen=True)
class Skeleton:
    """What is around the layers; the defaults are those of WikiText-103.

    Those of LM1B are ``cutoffs=(), form="transformer_xl"``.

    Attributes:
      cutoffs: words at which bins of the vocabulary end, but for the last one's.
      context: tokens of a sequence at most, where positions are learned.
      form: "gpt2" or "transformer_xl".
      dropout: of embeddings and of every part of a layer.
    """

    cutoffs: tuple[int, ...] = FORMS["wt103"].cutoffs
    context: int = FORMS["wt103"].context
    form: str = _FORMS[0]
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if self.form not in _FORMS:
            raise UsageError(
                f"skeleton of gpt2: form = {self.form!r}; accepted are {', '.join(_FORMS)}"
            )

    @property
    def costs(self) -> Form:
        """The same for ``spaces.gpt2_costs``."""
        return Form(self.cutoffs, self.context, self.form == "transformer_xl")


class Attention(nn.Module):
    """Causal attention; ``relative`` positions are Transformer-XL's.

    Attributes:
      heads: ``H``.
      relative: a fifth matrix makes keys of distances, and every head has one
        bias for what it looks for by content and one by distance.
    """

    heads: int
    relative: bool

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """``[B, T, D] -> [B, T, D]``."""
        width = x.shape[-1] // self.heads
        bias = not self.relative
        q, k, v = (transformer.heads(x, self.heads, width, name, bias) for name in "qkv")
        if self.relative:
            shape = (self.heads, width)
            u, w = (self.param(name, nn.initializers.zeros, shape) for name in ("u", "w"))
            r = transformer.heads(distances(*x.shape[-2:])[None], *shape, "r", bias)
            scores = transformer.scores(q + u, k) + by_distance(q + w, r[0])
        else:
            scores = transformer.scores(q, k)
        shares = transformer.causal_softmax(scores * width**-0.5)
        return transformer.merged(transformer.mixed(shares, v), x.shape[-1], "out", bias)


@functools.cache
def _waves(count: int, width: int) -> np.ndarray:
    rates = 1 / 10_000 ** (np.arange(0, width, 2) / width)
    angles = np.arange(count)[:, None] * rates
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype(np.float32)


def distances(count: int, width: int) -> jax.Array:
    """Sines and cosines of the distances 0 .. ``count`` - 1: ``[count, width]``."""
    return jnp.asarray(_waves(count, width))


def by_distance(q: jax.Array, r: jax.Array) -> jax.Array:
    """Products of every query with the key of the distance to each earlier token.

    Args:
      q: ``[B, T, H, K]``.
      r: ``[T, H, K]``, of the distances from 0.

    Returns:
      ``[B, H, T, T]``; what stands at later tokens means nothing.
    """
    products = jnp.einsum("bqhk,dhk->bhqd", q, r)
    step = jnp.arange(len(r))[:, None] - jnp.arange(len(r))
    index = jnp.broadcast_to(jnp.maximum(step, 0), products.shape)
    return jnp.take_along_axis(products, index, axis=-1)


class Layer(nn.Module):
    """Attention and a dense part, each added to what it reads.

    The norms of GPT-2 stand before the parts, those of Transformer-XL behind
    the sums.

    Attributes:
      heads: of the attention.
      inner: width of the dense part.
      skeleton: form and dropout.
    """

    heads: int
    inner: int
    skeleton: Skeleton

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """``[B, T, D] -> [B, T, D]``."""
        relative = self.skeleton.costs.relative
        activation = nn.relu if relative else nn.gelu
        parts = (
            Attention(self.heads, relative, name="attention"),
            Mlp(self.inner, activation, name="mlp"),
        )
        drop = nn.Dropout(self.skeleton.dropout, deterministic=not train)
        for i, part in enumerate(parts):
            norm = nn.LayerNorm(epsilon=1e-5, name=f"norm{i}")
            x = norm(x + drop(part(x))) if relative else x + drop(part(norm(x)))
        return x


class Network(nn.Module):
    """The language model of one genotype.

    Attributes:
      genotype: see ``spaces.gpt2``.
      num_classes: ``V``.
      skeleton: what is around the layers.
    """

    genotype: tuple[int, ...]
    num_classes: int
    skeleton: Skeleton = Skeleton()

    @nn.compact
    def __call__(self, tokens: jax.Array, *, train: bool = False) -> jax.Array:
        """``int [B, T] -> [B, T, V]``, of the next token at every place."""
        config = Gpt2().config(np.array(self.genotype))
        form = self.skeleton.costs
        d_model = config["d_model"]
        words = AdaptiveWords(
            form.bins(self.num_classes),
            d_model,
            config["d_embed"],
            config["div_val"],
            name="words",
        )
        x = words.embed(tokens)
        if not form.relative:
            if tokens.shape[-1] > form.context:
                raise UsageError(
                    f"sequences of {tokens.shape[-1]} tokens; accepted are up to {form.context}"
                )
            positions = self.param("positions", transformer.INIT, (form.context, d_model))
            x += positions[: tokens.shape[-1]]
        x = nn.Dropout(self.skeleton.dropout, deterministic=not train)(x)
        for i, sizes in enumerate(zip(config["n_head"], config["d_inner"], strict=True)):
            x = Layer(*sizes, self.skeleton, name=f"layer{i}")(x, train)
        if not form.relative:
            x = nn.LayerNorm(epsilon=1e-5, name="norm")(x)
        return words.logits(x)
