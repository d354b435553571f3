"""Decoder language models, as LiteTransformerSearch searches them.

Javaheripi et al., "LiteTransformerSearch: Training-free Neural Architecture
Search for Efficient Language Models", NeurIPS 2022.

The genotype has the number of layers, the width of the model, the width and the
divisor of its adaptive embeddings, and for each of 16 layers its heads and its
inner width.  The tables hold inner widths of every integer from 512 to 2048.  Such
a width is three genes: steps of 256, and what is left over in two digits of 16.
Draws, mutations and decoded graphs have nothing left over, and the graph of a
width between two steps is that of the lower one.  With the paper's steps of 64
there would be 75 kinds of layer instead of 21, which take a generator much longer
to learn.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from pnag_jax.spaces import chain, config_text, depths, gpt2_costs, gpt2_genes
from pnag_jax.spaces.base import Graph, Labels, Space, SpaceError, as_scores, over_batch
from pnag_jax.spaces.gpt2_costs import DIVISORS, EMBEDDINGS, FORMS, LAYERS, VOCABULARY, WIDTHS
from pnag_jax.spaces.gpt2_genes import (
    COLUMN_VALUES,
    COLUMNS,
    DIGIT,
    ENDS,
    FIELDS,
    HEADS,
    INNER,
    MAX_LAYERS,
    MIN_LAYERS,
    VALUES,
)

CHOICES = tuple(map(len, VALUES))
_PER_LAYER = len(HEADS) - 1, len(INNER) - 1
# Heads, steps and both digits of the smallest layer.
_SMALLEST = (1, 1, 0, 0)
# Genes that a neighbour changes: all but what is left over of a step.
_MOVED = len(ENDS) + 2 * MAX_LAYERS

ABSENT = "identity"
_WIDTH_OPS = tuple(f"d{width}" for width in WIDTHS)
_EMBEDDING_OPS = tuple(f"e{width}_v{divisor}" for width in EMBEDDINGS for divisor in DIVISORS)
_LAYER_OPS = tuple(f"h{heads}_i{inner}" for heads in HEADS[1:] for inner in INNER[1:])
OPS = (*_WIDTH_OPS, *_EMBEDDING_OPS, ABSENT, *_LAYER_OPS)
# Where the kinds of each part begin among all, the input being 0.
_WIDTH, _EMBEDDING, _LAYER = (
    1 + OPS.index(name) for name in (_WIDTH_OPS[0], _EMBEDDING_OPS[0], ABSENT)
)


@dataclasses.dataclass(frozen=True)
class Gpt2(Space):
    """The space of 36 * sum over depths of (3 * 1,537) ** depth models.

    Valid are the genotypes whose first ``n_layer`` layers have heads and an inner
    width of at most 2048, and whose others have neither: zeros, as the tables
    write them.  Every width of the model is divisible by every number of heads.

    ``size`` counts the models in steps of 256, which are those that are drawn:
    36 * (21 ** 2 + ... + 21 ** 16).
    """

    name: str = "gpt2"
    fields: tuple[str, ...] = FIELDS
    choices: tuple[int, ...] = CHOICES
    op_names: tuple[str, ...] = ("input", *OPS, "output")
    num_nodes: int = MAX_LAYERS + 4
    size: int = (
        len(WIDTHS) * len(EMBEDDINGS) * len(DIVISORS) * sum(len(_LAYER_OPS) ** n for n in LAYERS)
    )

    @property
    def gene_values(self) -> tuple[tuple[int, ...], ...]:
        return VALUES

    @property
    def gene_weights(self) -> tuple[float, ...]:
        """What is left over of a step decides between equals alone.

        Otherwise what is made in whole steps would be nearest to shallow models,
        whose absent layers have nothing left over either.
        """
        return (1.0,) * _MOVED + (2.0**-8,) * (2 * MAX_LAYERS)

    def sample(self, key: jax.Array, n: int) -> jax.Array:
        """Draws the depth uniformly, then every gene of the layers there are.

        As the paper does: of all models nearly all have 16 layers.
        """
        low = np.array([0] * len(ENDS) + [1] * (2 * MAX_LAYERS) + [0] * (2 * MAX_LAYERS))
        high = np.array([*CHOICES[:_MOVED], *(1,) * (2 * MAX_LAYERS)])
        return self.canonical(jax.random.randint(key, (n, self.genotype_length), low, high))

    def is_valid(self, genotype: ArrayLike) -> jax.Array:
        genotype = jnp.asarray(genotype)
        layers, there = _layers(genotype), depths.active(_depth(genotype), MAX_LAYERS)
        heads, steps, rest = layers[..., 0], layers[..., 1], layers[..., 2:]
        at_step = jnp.all(rest == 0, axis=-1)
        full = (heads > 0) & (steps > 0) & (at_step | (steps < len(INNER) - 1))
        empty = (heads == 0) & (steps == 0) & at_step
        return jnp.all(jnp.where(there, full, empty), axis=-1) & self.in_range(genotype)

    def canonical(self, genotype: ArrayLike) -> jax.Array:
        """Without what stands beyond the last layer.

        Of a genotype that is not valid, the nearest one that is: what a layer
        lacks is the least there is.
        """
        trimmed = _trimmed(jnp.asarray(genotype, jnp.int32))
        layers, there = _layers(trimmed), depths.active(_depth(trimmed), MAX_LAYERS)
        full = jnp.where(there[..., None], jnp.maximum(layers, jnp.array(_SMALLEST)), 0)
        below = full[..., 1:2] < len(INNER) - 1
        return _joined(trimmed, full.at[..., 2:].set(jnp.where(below, full[..., 2:], 0)))

    @over_batch(1)
    def neighbours(self, genotype: jax.Array) -> jax.Array:
        """All changes of one gene in whole steps: ``[..., L] -> [..., K, L]``.

        ``K`` leaves out the digits of what is left over of a step.  A deeper
        model repeats the last layer.
        """
        count = sum(CHOICES[:_MOVED]) - _MOVED
        rows = super().neighbours(genotype)[:count]
        depth = jnp.broadcast_to(_depth(genotype), (count,))
        return _trimmed(_joined(rows, depths.repeat_last(_layers(rows), depth)))

    @over_batch(1)
    def to_graph(self, genotype: jax.Array) -> Graph:
        """A chain: width, embedding, then the layers, those that are not there last."""
        layers = _layers(genotype)
        # Only a layer that is not there has no heads.
        kind = (layers[:, 0] - 1) * _PER_LAYER[1] + layers[:, 1]
        kinds = jnp.concatenate(
            [
                _WIDTH + genotype[1:2],
                _EMBEDDING + genotype[2:3] * len(DIVISORS) + genotype[3:4],
                _LAYER + jnp.where(layers[:, 0] > 0, kind, 0),
            ]
        )
        return chain.graph(kinds - 1, len(OPS))

    def free_decode(self, op_logits: ArrayLike, edge_logits: ArrayLike) -> jax.Array:
        """The best kind of every node; a layer after one that is not there makes it invalid."""
        del edge_logits
        scores = as_scores(op_logits)
        kinds = jnp.argmax(_layer_scores(scores), axis=-1)
        return _from_kinds(scores, depths.last(kinds > 0, MIN_LAYERS), kinds)

    def from_graph(self, op_logits: ArrayLike, edge_logits: ArrayLike) -> jax.Array:
        """The best depth and the best kind of every layer up to it; the chain is fixed."""
        del edge_logits
        scores = as_scores(op_logits)
        layers = _layer_scores(scores)
        kinds = 1 + jnp.argmax(layers[..., 1:], axis=-1)
        depth = depths.best(layers[..., 1:].max(axis=-1), layers[..., 0], MIN_LAYERS)
        there = depths.active(depth, MAX_LAYERS)
        return _from_kinds(scores, depth, jnp.where(there, kinds, 0))

    @over_batch(1)
    def sub_architecture(self, genotype: jax.Array, n: int) -> jax.Array:
        """Keeps the width, then the embedding, then ``n - 4`` layers spread over the depth.

        What is not kept becomes the smallest there is; a model has two layers at
        least, the smallest ones where fewer are kept.
        """
        self.check_sub_size(n)
        count = max(n - 4, 0)
        if count >= MAX_LAYERS:
            return genotype
        kept = jnp.minimum(_depth(genotype), count)
        layers = depths.spread(_layers(genotype), _depth(genotype), kept)
        smallest = jnp.where(jnp.arange(MAX_LAYERS)[:, None] < MIN_LAYERS, jnp.array(_SMALLEST), 0)
        layers = jnp.where(depths.active(kept, MAX_LAYERS)[:, None], layers, smallest)
        ends = jnp.where(jnp.arange(len(ENDS)) < (2 if n < 4 else 4), genotype[: len(ENDS)], 0)
        coarse = genotype.at[: len(ENDS)].set(ends)
        return _joined(coarse.at[0].set(jnp.maximum(kept, MIN_LAYERS) - MIN_LAYERS), layers)

    def params(
        self,
        genotype: ArrayLike,
        num_classes: int = VOCABULARY,
        dataset: str = "wt103",
        *,
        embeddings: bool = True,
    ) -> jax.Array:
        """Of the model that is trained on ``dataset``: embeddings, layers and softmax.

        Equals the column ``params`` of that data set's table in every row, and
        without embeddings the column ``params_nonembedding``.

        Args:
          genotype: int ``[..., L]``.
          num_classes: words of the vocabulary.
          dataset: "wt103" or "lm1b", see ``gpt2_costs``.
          embeddings: count words, positions and softmax too.

        Raises:
          SpaceError: no such data set.
        """
        form, sizes = _form(dataset), _sizes(self.canonical(genotype))
        if not embeddings:
            return gpt2_costs.params_of_layers(form, *sizes)
        return gpt2_costs.params(form, num_classes, *sizes)

    def flops(
        self, genotype: ArrayLike, num_classes: int = VOCABULARY, dataset: str = "wt103"
    ) -> jax.Array:
        """For one sequence of 192 tokens, all logits computed; arguments as ``params``."""
        return gpt2_costs.flops(_form(dataset), num_classes, *_sizes(self.canonical(genotype)))

    # -- tables ----------------------------------------------------------------

    @property
    def columns(self) -> tuple[str, ...]:
        """As in the genotype, an inner width being one column."""
        return COLUMNS

    @property
    def column_values(self) -> tuple[tuple[int, ...], ...]:
        """An embedding of -1 is as wide as the model."""
        return COLUMN_VALUES

    def from_columns(self, rows: np.ndarray) -> np.ndarray:
        return super().from_columns(gpt2_genes.apart(rows))

    def to_columns(self, genotypes: np.ndarray) -> np.ndarray:
        return gpt2_genes.together(super().to_columns(genotypes))

    # -- for people ------------------------------------------------------------

    def to_string(self, genotype: ArrayLike) -> str:
        """The model's config as JSON, one value a layer in the lists.

        E.g. ``{"n_layer": 2, "d_model": 512, "d_embed": 256, "div_val": 4,
        "n_head": [8, 2], "d_inner": [1071, 640]}``.
        """
        return json.dumps(self.config(genotype))

    def config(self, genotype: ArrayLike) -> dict[str, Any]:
        """What ``to_string`` writes; raises ``SpaceError`` where there is no such model."""
        row = self.to_columns(self.check(genotype)[None])[0].tolist()
        layers = {"n_head": row[len(ENDS) :][: row[0]], "d_inner": row[-MAX_LAYERS:][: row[0]]}
        return dict(zip(ENDS, row, strict=False)) | layers

    def check(self, genotype: ArrayLike) -> np.ndarray:
        genes = super().check(genotype)
        depths.check(self, genes)
        return genes

    def from_string(self, text: str) -> np.ndarray:
        config = config_text.read("gpt2", text, (*ENDS, "n_head", "d_inner"))
        ends = [
            config_text.check("gpt2", key, config[key], accepted)
            for key, accepted in zip(ENDS, VALUES[: len(ENDS)], strict=True)
        ]
        heads, inner = (
            config_text.check_list("gpt2", key, config[key], (accepted[1:],) * ends[0])
            for key, accepted in (("n_head", HEADS), ("d_inner", COLUMN_VALUES[-1]))
        )
        padding = [0] * (MAX_LAYERS - ends[0])
        row = np.array([[*ends, *heads, *padding, *inner, *padding]])
        return self.from_columns(row)[0].astype(np.int32)

    def labels(self, genotype: ArrayLike) -> Labels:
        """Input, width, embedding, the layers there are and output, as a chain."""
        config = self.config(genotype)
        pairs = zip(config["n_head"], config["d_inner"], strict=True)
        layers = [f"h{heads}_i{inner}" for heads, inner in pairs]
        ends = (f"d{config['d_model']}", f"e{config['d_embed']}_v{config['div_val']}")
        return chain.labels((*ends, *layers))


def _depth(genotype: jax.Array) -> jax.Array:
    """Number of layers: ``[..., L] -> [...]``."""
    return genotype[..., 0] + MIN_LAYERS


def _layers(genotype: jax.Array) -> jax.Array:
    """Heads, steps and digits of every layer: ``[..., L] -> [..., 16, 4]``."""
    genes = genotype[..., len(ENDS) :]
    return jnp.moveaxis(genes.reshape(*genes.shape[:-1], 4, MAX_LAYERS), -2, -1)


def _joined(genotype: jax.Array, layers: jax.Array) -> jax.Array:
    """``genotype`` with other layers: ``[..., L], [..., 16, 4] -> [..., L]``."""
    genes = jnp.moveaxis(layers, -1, -2).reshape(*layers.shape[:-2], 4 * MAX_LAYERS)
    return jnp.concatenate([genotype[..., : len(ENDS)], genes.astype(genotype.dtype)], axis=-1)


def _trimmed(genotype: jax.Array) -> jax.Array:
    """Zeros beyond the last layer: ``[..., L] -> [..., L]``."""
    there = depths.active(_depth(genotype), MAX_LAYERS)[..., None]
    return _joined(genotype, jnp.where(there, _layers(genotype), 0))


def _layer_scores(scores: jax.Array) -> jax.Array:
    """Scores of no layer and of the 21 kinds: ``[..., N, F] -> [..., 16, 22]``."""
    return scores[..., 3:-1, _LAYER:-1]


def _from_kinds(scores: jax.Array, depth: jax.Array, kinds: jax.Array) -> jax.Array:
    """The genotype of best ends: ``[..., N, F], [...], [..., 16] -> int32 [..., L]``."""
    width = jnp.argmax(scores[..., 1, _WIDTH:_EMBEDDING], axis=-1)
    embedding = jnp.argmax(scores[..., 2, _EMBEDDING:_LAYER], axis=-1)
    ends = [depth - MIN_LAYERS, width, embedding // len(DIVISORS), embedding % len(DIVISORS)]
    there = kinds > 0
    heads = jnp.where(there, (kinds - 1) // _PER_LAYER[1] + 1, 0)
    steps = jnp.where(there, (kinds - 1) % _PER_LAYER[1] + 1, 0)
    nothing_left = jnp.zeros_like(steps)
    parts = [jnp.stack(ends, axis=-1), heads, steps, nothing_left, nothing_left]
    return jnp.concatenate(parts, axis=-1).astype(jnp.int32)


def _sizes(genotype: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Ends ``[..., 3]``, depth ``[...]`` and inner widths together, of a canonical form."""
    layers = _layers(genotype)
    inner = jnp.asarray(INNER)[layers[..., 1]] + DIGIT * layers[..., 2] + layers[..., 3]
    return genotype[..., 1:4], _depth(genotype), inner.sum(axis=-1)


def _form(dataset: str) -> gpt2_costs.Form:
    if dataset not in FORMS:
        raise SpaceError(f"gpt2: data set {dataset!r} is unknown; accepted are {', '.join(FORMS)}")
    return FORMS[dataset]
