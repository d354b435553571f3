"""Parameters and multiply-accumulates of the decoders of LiteTransformerSearch.

Two forms were measured.  On WikiText-103 a GPT-2: learned positions, biases in
the attention, norms before each part and one at the end.  On LM1B a
Transformer-XL: relative positions, whose keys take a fifth matrix a layer and
two biases a head, attention without other biases, norms behind each part.

Words enter by adaptive embeddings and leave by the adaptive softmax over the
same tables (Baevski and Auli, ICLR 2019; Dai et al., "Transformer-XL", ACL
2019): the vocabulary is cut into bins, bin ``i`` has vectors of ``d_embed /
div_val ** i`` numbers.  Projections lead from there to ``d_model``: one a bin,
but a single one where ``div_val`` is 1, and none where that is 1 and the widths
are equal.  The softmax has its own projection for the first bin and shares the
others, one bias a word, and one row a further bin beside the first bin's words.

All formulas give the tables' columns in every row.
"""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

# Byte pairs of GPT-2, filled up to a multiple of 8.
VOCABULARY = 50_264

LAYERS = tuple(range(2, 17))
WIDTHS = (64, 128, 256, 512)
EMBEDDINGS = (128, 256, 512)
DIVISORS = (1, 2, 4)


@dataclasses.dataclass(frozen=True)
class Form:
    """What surrounds the searched part.

    Attributes:
      cutoffs: words at which bins of the vocabulary end, but for the last one's;
        those beyond the vocabulary do not count.
      context: tokens of a sequence.
      relative: Transformer-XL, else GPT-2.
    """

    cutoffs: tuple[int, ...] = (19_997, 39_997)
    context: int = 192
    relative: bool = False

    def bins(self, vocabulary: int) -> tuple[int, ...]:
        """Words in every bin, the most frequent words first."""
        ends = [end for end in self.cutoffs if end < vocabulary]
        return tuple(np.diff([0, *ends, vocabulary]).tolist())


# By the data set of a table.
FORMS = {"wt103": Form(), "lm1b": Form(cutoffs=(), relative=True)}


def bin_widths(num_bins: int, d_embed: int, div_val: int) -> tuple[int, ...]:
    """Numbers in a word's vector, one count a bin."""
    return tuple(d_embed // div_val**i for i in range(num_bins))


def projects(d_model: int, d_embed: int, div_val: int) -> bool:
    """Whether words pass a projection on their way in and out."""
    return div_val > 1 or d_embed != d_model


def _ends_params(form: Form, vocabulary: int, d_model: int, d_embed: int, div_val: int) -> int:
    """Embeddings, positions, softmax and last norm."""
    sizes = form.bins(vocabulary)
    widths = bin_widths(len(sizes), d_embed, div_val)
    words = sum(size * width for size, width in zip(sizes, widths, strict=True)) + vocabulary
    clusters = (len(sizes) - 1) * (d_embed + 1)
    projections = 0
    if projects(d_model, d_embed, div_val):
        ways_in = d_embed if div_val == 1 else sum(widths)
        projections = (ways_in + d_embed) * d_model
    around = 0 if form.relative else form.context * d_model + 2 * d_model
    return words + clusters + projections + around


def _ends_flops(form: Form, vocabulary: int, d_model: int, d_embed: int, div_val: int) -> int:
    """The same, for one token: products of projections and of the softmax."""
    sizes = form.bins(vocabulary)
    widths = bin_widths(len(sizes), d_embed, div_val)
    products = sum(size * width for size, width in zip(sizes, widths, strict=True))
    products += (len(sizes) - 1) * d_embed
    if projects(d_model, d_embed, div_val):
        ways_in = d_embed if div_val == 1 else sum(widths)
        # Bins of one width that share a projection share its result.
        ways_out = sum(widths) if div_val > 1 else d_embed * min(len(sizes), 2)
        products += (ways_in + ways_out) * d_model
    return products


def _layer_params(form: Form, d_model: int) -> int:
    """Of one layer, without what its inner width takes."""
    attention = (5 * d_model + 2) * d_model if form.relative else (4 * d_model + 4) * d_model
    norms, outer_bias = 4 * d_model, d_model
    return attention + norms + outer_bias


def _layer_flops(form: Form, d_model: int) -> int:
    """The same, for one token: projections, scores and the weighted sum."""
    matrices, passes = (5, 3) if form.relative else (4, 2)
    return matrices * d_model**2 + passes * form.context * d_model


@functools.cache
def _tables(form: Form, vocabulary: int, of_params: bool) -> tuple[np.ndarray, np.ndarray]:
    """Cost of the ends ``[4, 3, 3]`` and of a layer without inner part ``[4]``: int32."""
    ends, layer = (_ends_params, _layer_params) if of_params else (_ends_flops, _layer_flops)
    of_ends = [
        [[ends(form, vocabulary, d, e, v) for v in DIVISORS] for e in EMBEDDINGS] for d in WIDTHS
    ]
    return np.array(of_ends, np.int32), np.array([layer(form, d) for d in WIDTHS], np.int32)


def params(
    form: Form, vocabulary: int, ends: jax.Array, depth: jax.Array, inner: jax.Array
) -> jax.Array:
    """Parameters, summed as integers: float32 ``[...]``.

    Args:
      form: see ``Form``.
      vocabulary: number of words.
      ends: int ``[..., 3]``, indices into ``WIDTHS``, ``EMBEDDINGS`` and ``DIVISORS``.
      depth: int ``[...]``, layers.
      inner: int ``[...]``, inner widths of all layers together.
    """
    of_ends, of_layer = map(jnp.asarray, _tables(form, vocabulary, True))
    d, e, v = ends[..., 0], ends[..., 1], ends[..., 2]
    total = of_ends[d, e, v] + depth * of_layer[d] + inner * (2 * jnp.asarray(WIDTHS)[d] + 1)
    return total.astype(jnp.float32)


def params_of_layers(form: Form, ends: jax.Array, depth: jax.Array, inner: jax.Array) -> jax.Array:
    """Of the layers and the norm behind them; arguments as ``params``."""
    widths = jnp.asarray(WIDTHS)[ends[..., 0]]
    of_layer = jnp.array([_layer_params(form, d) for d in WIDTHS], jnp.int32)[ends[..., 0]]
    last_norm = 0 if form.relative else 2 * widths
    return (depth * of_layer + inner * (2 * widths + 1) + last_norm).astype(jnp.float32)


def flops(
    form: Form, vocabulary: int, ends: jax.Array, depth: jax.Array, inner: jax.Array
) -> jax.Array:
    """Multiply-accumulates of one sequence of ``context`` tokens; arguments as ``params``."""
    of_ends, of_layer = map(jnp.asarray, _tables(form, vocabulary, False))
    d, e, v = ends[..., 0], ends[..., 1], ends[..., 2]
    a_token = of_ends[d, e, v] + depth * of_layer[d] + inner * 2 * jnp.asarray(WIDTHS)[d]
    return form.context * a_token.astype(jnp.float32)
