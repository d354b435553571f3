"""Stage 1: the autoencoder with its multi-scale quantizer, as pure functions.

Graph encoder, normalization, ``quantization.quantize`` and the two-layer
decoder, tied by the losses of ``losses``.  Letters as there, and ``D`` codes
in the upper triangles of all scales.

The feature map is centred at every position and scaled to unit variance in
every channel over the batch (moving averages at inference): what is constant
over architectures would otherwise take most of the codebook, and the
penalties could be met by shrinking the map to zero.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from pnag_jax import losses
from pnag_jax import quantization as q
from pnag_jax.codebook import CodebookState, init_codebook
from pnag_jax.models.graph_autoencoder import GraphDecoder, GraphEncoder
from pnag_jax.spaces import Graph, Space

_ACCEPTED = {
    "form": ("residual", "literal", "refined"),
    "schedule": ("linear", "geometric"),
    "reconstruction": ("cross_entropy", "l2"),
}
_AT_LEAST = {
    "channels": 1,
    "num_codes": 1,
    "width": 1,
    "num_layers": 0,
    "hidden": 1,
    "scc_weight": 0,
    "partial_weight": 0,
    "commitment": 0,
    "dead_below": 0,
    "revival": 1,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stage1:
    """A space and the hyperparameters of its quantizer; hashable, thus static.

    Attributes:
      space: what is encoded.
      channels: ``C``.
      num_codes: ``V``.
      form: "residual", "literal" or "refined", see ``quantization``.
      schedule: "linear" or "geometric", see ``quantization.scale_schedule``.
      width: of the encoder.
      num_layers: attention layers of the encoder.  With 0 a pair's feature
        depends on its two nodes and their edge alone, and a coarse code on
        its own region; with more, the penalty on coarse scales flattens the
        map to nearly one vector an architecture.
      position: whether node embeddings know their position.
      pair_nodes: whether the feature of a pair knows its two nodes.  Without, it
        knows their link alone, and a node is told once, on the diagonal, where
        codes that are drawn one by one cannot contradict each other about it.
      hidden: width of the decoder.
      learned_phi: whether ``phi`` is trained (identity otherwise).
      scc_weight: lambda of the step-wise consistency constraint.
      constrained: how many scales, from the last, it constrains; None for all.
      partial_weight: weight of a second, architecture-level consistency:
        every partial is decoded and compared with the sub-architecture of
        its number of nodes.
      reconstruction: "cross_entropy", or "l2" as in the paper.
      commitment: weight of the commitment term.
      ema_decay: of codebook and normalization.
      dead_below: moving count under which a code is revived.
      revival: vectors that are drawn for a revived code, which takes the place of
        the one that the codebook serves worst.  More than one finds what is rare.
    """

    space: Space
    channels: int = 16
    num_codes: int = 64
    form: str = "refined"
    schedule: str = "linear"
    width: int = 64
    num_layers: int = 0
    position: bool = False
    pair_nodes: bool = True
    hidden: int = 64
    learned_phi: bool = False
    scc_weight: float = 0.25
    constrained: int | None = None
    partial_weight: float = 0.0
    reconstruction: str = "cross_entropy"
    commitment: float = 0.25
    ema_decay: float = 0.99
    dead_below: float = 0.03
    revival: int = 1

    def __post_init__(self) -> None:
        for field, accepted in _ACCEPTED.items():
            if getattr(self, field) not in accepted:
                raise ValueError(f"{field} = {getattr(self, field)!r}; accepted are {accepted}")
        for field, least in _AT_LEAST.items():
            if not getattr(self, field) >= least:
                raise ValueError(f"{field} = {getattr(self, field)}; accepted are {least} and more")
        if not 0 <= self.ema_decay < 1:
            raise ValueError(f"ema_decay = {self.ema_decay}; accepted are 0 and more, below 1")
        if self.constrained is not None and not 0 <= self.constrained <= len(self.scales):
            raise ValueError(
                f"constrained = {self.constrained}; accepted are 0 .. {len(self.scales)}"
            )

    @functools.cached_property
    def scales(self) -> tuple[int, ...]:
        """Node counts of the ``T`` scales."""
        return q.scale_schedule(self.space.num_nodes, self.schedule)

    @property
    def flags(self) -> dict[str, Any]:
        """The form as the keyword arguments of ``quantization``."""
        return {"residual": self.form == "residual", "refined": self.form == "refined"}

    @property
    def scale_weights(self) -> tuple[float, ...]:
        """Weight of every scale in the consistency penalty, ``T`` of them."""
        count = len(self.scales) if self.constrained is None else self.constrained
        return losses.constrained_scales(len(self.scales), count, self.scc_weight)

    @property
    def encoder(self) -> GraphEncoder:
        """The flax module from graphs to feature maps."""
        return GraphEncoder(
            self.channels,
            self.width,
            self.num_layers,
            position=self.position,
            pair_nodes=self.pair_nodes,
        )

    @property
    def decoder(self) -> GraphDecoder:
        """The flax module from feature maps to logits."""
        return GraphDecoder(self.space.num_ops, self.hidden)


class Averages(NamedTuple):
    """What is trained by moving averages.

    Attributes:
      codebook: ``quantization.CodebookState``.
      mean: ``[N, N, C]`` of the encoder's output.
      variance: ``[C]`` of the same.
    """

    codebook: CodebookState
    mean: jax.Array
    variance: jax.Array


class Variables(NamedTuple):
    """All that stage 1 learns: trained ``params`` and moving ``averages``."""

    params: dict[str, Any]
    averages: Averages


class Moments(NamedTuple):
    """First and second moments of the encoder's output over a batch."""

    mean: jax.Array
    square: jax.Array


@functools.partial(jax.jit, static_argnames="model")
def init(key: jax.Array, model: Stage1) -> Variables:
    """Fresh variables.  The key is consumed."""
    space = model.space
    size, channels = space.num_nodes, model.channels
    key_encoder, key_decoder, key_codebook = jax.random.split(key, 3)
    graph = space.to_graph(jnp.zeros((1, space.genotype_length), jnp.int32))
    params: dict[str, Any] = {
        "encoder": model.encoder.init(key_encoder, *graph),
        "decoder": model.decoder.init(key_decoder, jnp.zeros((1, size, size, channels))),
    }
    if model.learned_phi:
        params["phi"] = jnp.tile(jnp.eye(channels), (len(model.scales), 1, 1))
    codebook = init_codebook(key_codebook, model.num_codes, channels)
    averages = Averages(codebook, jnp.zeros((size, size, channels)), jnp.ones(channels))
    return Variables(params, averages)


def apply_encoder(model: Stage1, params: dict[str, Any], graph: Graph) -> jax.Array:
    """The encoder's output, not normalized: ``[B, N, N, C]``."""
    return cast(jax.Array, model.encoder.apply(params["encoder"], *graph))


def apply_decoder(
    model: Stage1, params: dict[str, Any], maps: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """What ``decode`` returns, from parameters alone."""
    return cast(tuple[jax.Array, jax.Array], model.decoder.apply(params["decoder"], maps))


def normalize(raw: jax.Array, mean: jax.Array, variance: jax.Array) -> jax.Array:
    """``e``: ``[B, N, N, C]`` centred by position, scaled by channel."""
    return (raw - mean) * jax.lax.rsqrt(variance + 1e-6)


def encode(model: Stage1, variables: Variables, genotypes: ArrayLike) -> q.Quantized:
    """Codes and partial maps of architectures, by the moving averages.

    Args:
      model: static.
      variables: from ``init`` or training.
      genotypes: int ``[B, L]``.
    """
    _, quantized = embed(model, variables, genotypes)
    return quantized


def embed(
    model: Stage1, variables: Variables, genotypes: ArrayLike
) -> tuple[jax.Array, q.Quantized]:
    """The feature map ``e [B, N, N, C]`` and what ``encode`` returns."""
    averages = variables.averages
    raw = apply_encoder(model, variables.params, model.space.to_graph(genotypes))
    e = normalize(raw, averages.mean, averages.variance)
    phi = variables.params.get("phi")
    codebook = averages.codebook.codebook
    return e, q.quantize(e, codebook, model.scales, phi=phi, **model.flags)


def decode(model: Stage1, variables: Variables, maps: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Logits of feature maps: ``[..., N, N, C] -> [..., N, F], [..., N, N]``."""
    return apply_decoder(model, variables.params, maps)


def partial_maps(model: Stage1, variables: Variables, codes: tuple[jax.Array, ...]) -> jax.Array:
    """The map after every scale of given codes, all or the coarsest: ``[T, B, N, N, C]``."""
    return q.dequantize(
        codes,
        variables.averages.codebook.codebook,
        model.scales[: len(codes)],
        model.space.num_nodes,
        phi=variables.params.get("phi"),
        **model.flags,
    )


def upper(codes: tuple[jax.Array, ...]) -> jax.Array:
    """The upper triangles of all scales in raster order: ``[..., D]``.

    Maps are symmetric, so that these are all the codes there are.
    """
    parts = [c[..., rows, cols] for c in codes for rows, cols in [np.triu_indices(c.shape[-1])]]
    return jnp.concatenate(parts, axis=-1)


def from_upper(flat: jax.Array, scales: tuple[int, ...]) -> tuple[jax.Array, ...]:
    """Inverse of ``upper``: one ``[..., n_t, n_t]`` a scale."""
    codes, start = [], 0
    for n in scales:
        rows, cols = np.triu_indices(n)
        part = flat[..., start : start + len(rows)]
        square = jnp.zeros((*flat.shape[:-1], n, n), flat.dtype)
        codes.append(square.at[..., rows, cols].set(part).at[..., cols, rows].set(part))
        start += len(rows)
    return tuple(codes)


def upper_positions(scales: tuple[int, ...]) -> np.ndarray:
    """Scale index, row and column of each of the ``D`` codes: int ``[D, 3]``."""
    return np.concatenate(
        [
            np.stack([np.full(len(rows), t), rows, cols], axis=1)
            for t, n in enumerate(scales)
            for rows, cols in [np.triu_indices(n)]
        ]
    )


def reconstruction_loss(
    model: Stage1, logits: tuple[jax.Array, jax.Array], graph: Graph
) -> jax.Array:
    """The reconstruction term that the model names; a scalar."""
    l2 = model.reconstruction == "l2"
    return (losses.graph_l2 if l2 else losses.graph_cross_entropy)(*logits, *graph)
