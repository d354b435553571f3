"""Multi-scale residual vector quantization of a square feature map.

Pure functions; channels last.  Letters: ``N`` nodes, ``C`` channels, ``V``
codes, ``T`` scales of ``n_1 < ... < n_T = N`` nodes.

The method is that of progressive neural architecture generation (Yu et al.,
CVPR 2026): average the map over an ``n_t x n_t`` grid, replace each cell by
the nearest vector of one codebook that all scales share, expand back to
``N x N`` and accumulate.  There are three forms:

* *residual* (default): scale ``t`` quantizes what the scales before it left
  over and the partials are sums, as in next-scale image models (Tian et al.,
  "Visual Autoregressive Modeling", 2024);
* *literal* (``residual=False``): every scale quantizes the pooled map itself
  and the partials are running means, the paper's text word for word;
* *refined* (``refined=True``): every scale quantizes the pooled map itself and
  overrides what the coarser ones said at its own resolution.  A code then
  depends on its own region alone, which is what tables of counts need, and
  the last partial is the last scale's map.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pnag_jax.codebook import look_up, nearest_code
from pnag_jax.resampling import (
    MATRIX_UNIT,
    expand,
    interpolation_matrix,
    mix_cells,
    pooling_matrix,
    region_average,
)

__all__ = [
    "Quantized",
    "dequantize",
    "expand",
    "map_weights",
    "nearest_code",
    "pooled_targets",
    "quantize",
    "region_average",
    "scale_schedule",
]


class Quantized(NamedTuple):
    """What ``quantize`` returns.

    Attributes:
      codes: one int32 ``[..., n_t, n_t]`` a scale.
      partials: ``[T, ..., N, N, C]``, the accumulated map after each scale.
      output: ``[..., N, N, C]``, the last partial with the gradient of ``e``
        (straight-through).
    """

    codes: tuple[jax.Array, ...]
    partials: jax.Array
    output: jax.Array


def scale_schedule(num_nodes: int, kind: str = "linear") -> tuple[int, ...]:
    """The node counts of the scales, from 3 to ``num_nodes``.

    Args:
      num_nodes: ``N``, at least 3.
      kind: ``"linear"`` grows by one node a scale; ``"geometric"`` by a
        quarter (at least one node), so that the number of codes stays
        quadratic in ``N`` for long graphs.

    Raises:
      ValueError: fewer than 3 nodes or an unknown kind.

    >>> scale_schedule(8)
    (3, 4, 5, 6, 7, 8)
    >>> scale_schedule(26, "geometric")
    (3, 4, 5, 6, 8, 10, 13, 16, 20, 25, 26)
    """
    if num_nodes < 3:
        raise ValueError(f"num_nodes = {num_nodes}; a graph has at least 3")
    if kind == "linear":
        return tuple(range(3, num_nodes + 1))
    if kind != "geometric":
        raise ValueError(f"kind = {kind!r}; accepted are 'linear' and 'geometric'")
    scales = [3]
    while scales[-1] < num_nodes:
        grown = (5 * scales[-1] + 2) // 4  # a quarter more, halves rounded up
        scales.append(min(grown, num_nodes))
    return tuple(scales)


def map_weights(
    scales: Sequence[int], size: int, *, residual: bool = True, refined: bool = False
) -> list[np.ndarray]:
    """Weight of every code in every cell of the last partial map.

    One float64 ``[size^2, n_t^2]`` a scale: the last partial is the sum over
    scales of this matrix times the code vectors (times ``phi``).

    Args:
      scales: ``T`` node counts.
      size: ``N``.
      residual: as in ``quantize``; so is ``refined``.
    """
    return list(_weights_by_scale(_Accumulator(tuple(scales), size, residual, refined)))[-1]


def _weights_by_scale(form: _Accumulator) -> Iterator[list[np.ndarray]]:
    """After every scale ``t``, the weights of the scales until then in its partial."""
    size = form.size
    weights: list[np.ndarray] = []
    for t, n in enumerate(form.scales):
        up = np.kron(*[interpolation_matrix(n, size)] * 2)
        if form.refined:
            kept = np.eye(size * size) - up @ np.kron(*[pooling_matrix(size, n)] * 2)
            weights = [kept @ w for w in weights]
        elif not form.residual:
            weights = [w * (t / (t + 1)) for w in weights]
            up = up / (t + 1)
        weights = [*weights, up]
        yield weights


class _Accumulator(NamedTuple):
    """How the scales of one form add up; see the module's docstring."""

    scales: tuple[int, ...]
    size: int
    residual: bool
    refined: bool

    @property
    def in_turn(self) -> bool:
        """Whether what a scale quantizes depends on the scales before it."""
        return self.residual and not self.refined

    @property
    def at_once(self) -> bool:
        """Whether all scales together are few enough cells for one product over cells."""
        return self.size**2 <= MATRIX_UNIT

    def add(self, total: jax.Array, vectors: jax.Array, t: int) -> jax.Array:
        """The partial after scale ``t`` (from 0): ``[..., N, N, C]``, of ``[..., n_t, n_t, C]``."""
        n = self.scales[t]
        if self.refined:
            if n == self.size:
                return vectors
            return total + expand(vectors - region_average(total, n), self.size)
        new = expand(vectors, self.size)
        return total + new if self.residual else total + (new - total) / (t + 1)


def _partials(form: _Accumulator, vectors: Sequence[jax.Array]) -> jax.Array:
    """The map after every scale, of the vectors of all: ``[T, ..., N, N, C]``."""
    if not form.at_once:
        return _partials_in_turn(form, *vectors)
    return jax.lax.platform_dependent(
        *vectors,
        cpu=functools.partial(_partials_in_turn, form),
        default=functools.partial(_partials_at_once, form),
    )


def _partials_in_turn(form: _Accumulator, *vectors: jax.Array) -> jax.Array:
    *lead, _, _, channels = vectors[0].shape
    total = jnp.zeros((*lead, form.size, form.size, channels), vectors[0].dtype)
    partials = []
    for t, new in enumerate(vectors):
        total = form.add(total, new, t)
        partials.append(total)
    return jnp.stack(partials)


def _partials_at_once(form: _Accumulator, *vectors: jax.Array) -> jax.Array:
    """Each partial is linear in the vectors: one long product in the place of many short ones."""
    *lead, _, _, channels = vectors[0].shape
    count, cells = len(form.scales), form.size**2
    weights = np.zeros((count, cells, sum(n * n for n in form.scales)))
    for t, parts in enumerate(_weights_by_scale(form)):
        known = np.concatenate(parts, axis=1)
        weights[t, :, : known.shape[1]] = known
    mixed = mix_cells(weights.reshape(count * cells, -1), _joined(vectors))
    maps = mixed.reshape(*lead, count, form.size, form.size, channels)
    return jnp.moveaxis(maps, -4, 0)


def _pooled(form: _Accumulator, e: jax.Array) -> jax.Array:
    """The map at every scale, cells of all scales in a row: ``[..., D, C]``."""
    if not form.at_once:
        return _pooled_in_turn(form, e)
    return jax.lax.platform_dependent(
        e,
        cpu=functools.partial(_pooled_in_turn, form),
        default=functools.partial(_pooled_at_once, form),
    )


def _pooled_in_turn(form: _Accumulator, e: jax.Array) -> jax.Array:
    return _joined([region_average(e, n) for n in form.scales])


def _pooled_at_once(form: _Accumulator, e: jax.Array) -> jax.Array:
    rows = [np.kron(*[pooling_matrix(form.size, n)] * 2) for n in form.scales]
    *lead, _, _, channels = e.shape
    return mix_cells(np.concatenate(rows), e.reshape(*lead, form.size**2, channels))


def _joined(maps: Sequence[jax.Array]) -> jax.Array:
    """``[..., n_t, n_t, C]`` of all scales as ``[..., D, C]``."""
    flat = [x.reshape(*x.shape[:-3], -1, x.shape[-1]) for x in maps]
    return jnp.concatenate(flat, axis=-2)


def _apart(cells: jax.Array, scales: Sequence[int], axis: int) -> list[jax.Array]:
    """Cells of all scales along an axis as one ``n_t x n_t`` a scale."""
    axis %= cells.ndim
    before, after = cells.shape[:axis], cells.shape[axis + 1 :]
    parts = jnp.split(cells, np.cumsum([n * n for n in scales])[:-1], axis=axis)
    return [x.reshape(*before, n, n, *after) for x, n in zip(parts, scales, strict=True)]


def _mapped(vectors: jax.Array, phi: jax.Array | None, t: int) -> jax.Array:
    """Code vectors through the linear map of their scale.  It commutes with ``expand``."""
    return vectors if phi is None else vectors @ phi[t]


def quantize(
    e: jax.Array,
    codebook: jax.Array,
    scales: Sequence[int],
    *,
    residual: bool = True,
    phi: jax.Array | None = None,
    refined: bool = False,
) -> Quantized:
    """Quantizes a feature map scale by scale.

    Args:
      e: ``[..., N, N, C]``.
      codebook: ``[V, C]``.
      scales: ``T`` node counts, the last one ``N``.
      residual: the residual form, else the literal one.
      phi: ``[T, C, C]`` linear maps of the expanded codes; identity if None.
      refined: the refined form, whatever ``residual`` says.

    Returns:
      ``Quantized``.  Gradients reach ``codebook`` and ``phi`` through
      ``partials`` and ``e`` through ``output``.

    >>> e = jnp.zeros((4, 4, 1)).at[0, 0].set(1.0)
    >>> quantized = quantize(e, jnp.array([[0.0], [1.0]]), (3, 4), refined=True)
    >>> [code.shape for code in quantized.codes], quantized.partials.shape
    ([(3, 3), (4, 4)], (2, 4, 4, 1))
    >>> bool((quantized.output == e).all())
    True
    """
    form = _Accumulator(tuple(scales), e.shape[-2], residual, refined)
    if form.in_turn:
        codes, partials = _quantize_in_turn(form, e, codebook, phi)
    else:
        flat = nearest_code(_pooled(form, e), codebook)
        codes = _apart(flat, scales, -1)
        partials = _partials(form, _vectors(codes, codebook, phi))
    output = e + jax.lax.stop_gradient(partials[-1] - e)
    return Quantized(tuple(codes), partials, output)


def _quantize_in_turn(
    form: _Accumulator, e: jax.Array, codebook: jax.Array, phi: jax.Array | None
) -> tuple[list[jax.Array], jax.Array]:
    """Codes and partials where a scale quantizes what the ones before it left over."""
    total = jnp.zeros_like(e)
    codes, partials = [], []
    for t, n in enumerate(form.scales):
        left = e - jax.lax.stop_gradient(total)
        code = nearest_code(region_average(left, n), codebook)
        total = form.add(total, _mapped(look_up(codebook, code), phi, t), t)
        codes.append(code)
        partials.append(total)
    return codes, jnp.stack(partials)


def _vectors(
    codes: Sequence[jax.Array], codebook: jax.Array, phi: jax.Array | None
) -> list[jax.Array]:
    """What the codes of all scales stand for: one ``[..., n_t, n_t, C]`` a scale."""
    found = look_up(codebook, _joined([code[..., None] for code in codes])[..., 0])
    apart = _apart(found, [code.shape[-1] for code in codes], -2)
    return [_mapped(vectors, phi, t) for t, vectors in enumerate(apart)]


def pooled_targets(
    e: jax.Array,
    partials: jax.Array,
    scales: Sequence[int],
    *,
    residual: bool = True,
    refined: bool = False,
) -> list[jax.Array]:
    """The vectors that were quantized: one ``[..., n_t, n_t, C]`` a scale.

    Args:
      e: ``[..., N, N, C]``, as given to ``quantize``.
      partials: ``[T, ..., N, N, C]``, as ``quantize`` returned them.
      scales: as given to ``quantize``; so are the flags.
    """
    form = _Accumulator(tuple(scales), e.shape[-2], residual, refined)
    if not form.in_turn:
        return _apart(_pooled(form, e), scales, -2)
    left = [e, *(e - partial for partial in partials[:-1])]
    return [region_average(x, n) for x, n in zip(left, scales, strict=True)]


def dequantize(
    codes: Sequence[jax.Array],
    codebook: jax.Array,
    scales: Sequence[int],
    size: int,
    *,
    residual: bool = True,
    phi: jax.Array | None = None,
    refined: bool = False,
) -> jax.Array:
    """The accumulated maps of given codes: ``[T, ..., N, N, C]``.

    Args:
      codes: one int ``[..., n_t, n_t]`` a scale.
      codebook: ``[V, C]``.
      scales: ``T`` node counts.
      size: ``N``.
      residual: as in ``quantize``; so are ``phi`` and ``refined``.

    >>> codes = [jnp.ones((3, 3), jnp.int32), jnp.zeros((4, 4), jnp.int32)]
    >>> maps = dequantize(codes, jnp.array([[0.5], [2.0]]), (3, 4), 4)
    >>> maps[:, 0, 0, 0].tolist()  # 2 after the first scale, 2 + 0.5 after the second
    [2.0, 2.5]
    """
    form = _Accumulator(tuple(scales), size, residual, refined)
    return _partials(form, _vectors(codes, codebook, phi))
