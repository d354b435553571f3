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
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike


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


class CodebookState(NamedTuple):
    """A codebook kept by exponential moving averages.

    Attributes:
      codebook: ``[V, C]``.
      counts: ``[V]``, moving average of how often a code was chosen a step.
      sums: ``[V, C]``, moving average of the vectors that chose it.
    """

    codebook: jax.Array
    counts: jax.Array
    sums: jax.Array


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


# Rows and columns of the matrix unit of a TPU.
_MATRIX_UNIT = 128
# Below this moving count a code keeps its place.
_LEAST_COUNT = 1e-20


@functools.cache
def pooling_matrix(size: int, n: int) -> np.ndarray:
    """One axis of adaptive average pooling, float64 ``[n, size]``.

    Row ``i`` averages ``floor(i size / n) .. ceil((i + 1) size / n) - 1``.
    """
    matrix = np.zeros((n, size))
    for i in range(n):
        start, stop = i * size // n, -(-(i + 1) * size // n)
        matrix[i, start:stop] = 1 / (stop - start)
    return matrix


@functools.cache
def interpolation_matrix(n: int, size: int) -> np.ndarray:
    """One axis of linear interpolation at half-pixel centres, float64 ``[size, n]``."""
    position = np.clip((np.arange(size) + 0.5) * n / size - 0.5, 0, n - 1)
    low = np.floor(position).astype(int)
    high = np.minimum(low + 1, n - 1)
    matrix = np.zeros((size, n))
    np.add.at(matrix, (np.arange(size), low), 1 - (position - low))
    np.add.at(matrix, (np.arange(size), high), position - low)
    return matrix


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
    weights: list[np.ndarray] = []
    for t, n in enumerate(scales):
        up = np.kron(*[interpolation_matrix(n, size)] * 2)
        if refined:
            kept = np.eye(size * size) - up @ np.kron(*[pooling_matrix(size, n)] * 2)
            weights = [kept @ w for w in weights]
        elif not residual:
            weights = [w * (t / (t + 1)) for w in weights]
            up = up / (t + 1)
        weights.append(up)
    return weights


def _both_axes(x: jax.Array, matrix: np.ndarray) -> jax.Array:
    """Applies one matrix to both map axes of ``[..., N, N, C]``."""
    if matrix.shape[0] == matrix.shape[1]:
        return x  # as many cells as nodes: both directions are the identity
    if matrix.shape[1] ** 2 > _MATRIX_UNIT:
        return _one_by_one(matrix, x)
    return jax.lax.platform_dependent(
        x,
        cpu=functools.partial(_one_by_one, matrix),
        default=functools.partial(_at_once, matrix),
    )


def _one_by_one(matrix: np.ndarray, x: jax.Array) -> jax.Array:
    m = jnp.asarray(matrix, _wide(x.dtype))
    both = jnp.einsum("ia,jb,...abc->...ijc", m, m, x, precision=jax.lax.Precision.HIGHEST)
    return both.astype(x.dtype)


def _at_once(matrix: np.ndarray, x: jax.Array) -> jax.Array:
    """As one product over all cells, which fills a matrix unit where that over an axis cannot."""
    n, size = matrix.shape
    *lead, _, _, channels = x.shape
    m = jnp.asarray(np.kron(matrix, matrix), _wide(x.dtype))
    cells = x.reshape(*lead, size * size, channels)
    both = jnp.einsum("ia,...ac->...ic", m, cells, precision=jax.lax.Precision.HIGHEST)
    return both.reshape(*lead, n, n, channels).astype(x.dtype)


def _wide(dtype: jnp.dtype) -> jnp.dtype:
    """The dtype to compute in: at least float32, so that 16 bits round once."""
    return jnp.promote_types(dtype, jnp.float32)


def region_average(x: jax.Array, n: int) -> jax.Array:
    """Adaptive average pooling: ``[..., N, N, C] -> [..., n, n, C]``.

    Cell ``i`` of an axis averages ``floor(i N / n) .. ceil((i + 1) N / n) - 1``;
    neighbouring regions overlap where ``n`` does not divide ``N``.

    >>> x = jnp.arange(9.0).reshape(3, 3, 1)  # rows 0 1 2, 3 4 5, 6 7 8
    >>> region_average(x, 2)[..., 0].tolist()
    [[2.0, 3.0], [5.0, 6.0]]
    """
    return _both_axes(x, pooling_matrix(x.shape[-2], n))


def expand(x: jax.Array, size: int) -> jax.Array:
    """Bilinear interpolation: ``[..., n, n, C] -> [..., size, size, C]``.

    Half-pixel centres, edges clamped: the convention that others call
    ``align_corners=False``.

    >>> expand(jnp.array([[0.0, 4.0], [0.0, 4.0]])[..., None], 4)[0, :, 0].tolist()
    [0.0, 1.0, 3.0, 4.0]
    """
    return _both_axes(x, interpolation_matrix(x.shape[-2], size))


def nearest_code(x: jax.Array, codebook: jax.Array) -> jax.Array:
    """Index of the nearest code: ``[..., C], [V, C] -> int32 [...]``.

    Euclidean distance; the lowest index wins a tie.

    >>> codebook = jnp.array([[0.0], [2.0], [2.0]])
    >>> nearest_code(jnp.array([[0.9], [1.0], [1.1]]), codebook).tolist()
    [0, 0, 1]
    """
    wide = _wide(jnp.promote_types(x.dtype, codebook.dtype))
    return jax.lax.platform_dependent(
        *jax.lax.stop_gradient((x.astype(wide), codebook.astype(wide))),
        cpu=_nearest_by_comparison,
        default=_nearest_by_argmin,
    )


# |x|^2 is the same for every code and left out.  Accelerators round the factors
# of a product to fewer bits unless told not to, which would hand vectors to the
# wrong code.


def _nearest_by_comparison(x: jax.Array, codebook: jax.Array) -> jax.Array:
    num_codes, channels = codebook.shape
    # Codes lead, so that both reductions run over vectors of positions; as min and
    # comparison they are several times faster on CPUs than argmin.
    flat = x.reshape(-1, channels)
    product = jnp.matmul(codebook, flat.T, precision=jax.lax.Precision.HIGHEST)
    distance = jnp.sum(codebook**2, axis=-1)[:, None] - 2 * product
    at_minimum = distance <= distance.min(axis=0)
    index = jnp.arange(num_codes, dtype=jnp.int32)[:, None]
    nearest = jnp.min(jnp.where(at_minimum, index, num_codes - 1), axis=0)
    return nearest.reshape(x.shape[:-1])


def _nearest_by_argmin(x: jax.Array, codebook: jax.Array) -> jax.Array:
    # Axes stay apart: on a TPU joining them is a copy with its own long program.
    product = jnp.einsum("...c,vc->...v", x, codebook, precision=jax.lax.Precision.HIGHEST)
    distance = jnp.sum(codebook**2, axis=-1) - 2 * product
    return jnp.argmin(distance, axis=-1).astype(jnp.int32)


def _look_up(codebook: jax.Array, codes: jax.Array) -> jax.Array:
    """The vectors of codes: ``[V, C], int [...] -> [..., C]``."""
    return jax.lax.platform_dependent(
        codebook, codes, cpu=lambda codebook, codes: codebook[codes], default=_look_up_by_product
    )


def _look_up_by_product(codebook: jax.Array, codes: jax.Array) -> jax.Array:
    """A gather of short rows costs an accelerator more than a product with ones and zeros."""
    chosen = jax.nn.one_hot(codes, len(codebook), dtype=codebook.dtype)
    return jnp.matmul(chosen, codebook, precision=jax.lax.Precision.HIGHEST)


class _Accumulator(NamedTuple):
    """How the scales of one form add up; see the module's docstring."""

    scales: tuple[int, ...]
    size: int
    residual: bool
    refined: bool

    def target(self, e: jax.Array, total: jax.Array) -> jax.Array:
        """What the next scale pools and quantizes."""
        return e - total if self.residual and not self.refined else e

    def add(
        self, total: jax.Array, codes: jax.Array, codebook: jax.Array, phi: jax.Array | None, t: int
    ) -> jax.Array:
        """The partial after scale ``t`` (from 0): ``[..., N, N, C]``."""
        new = expand(_look_up(codebook, codes), self.size)
        if phi is not None:
            new = new @ phi[t]
        if self.refined:
            return total - expand(region_average(total, self.scales[t]), self.size) + new
        return total + new if self.residual else total + (new - total) / (t + 1)


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
    total = jnp.zeros_like(e)
    codes, partials = [], []
    for t, n in enumerate(scales):
        target = form.target(e, jax.lax.stop_gradient(total))
        code = nearest_code(region_average(target, n), codebook)
        total = form.add(total, code, codebook, phi, t)
        codes.append(code)
        partials.append(total)
    output = e + jax.lax.stop_gradient(total - e)
    return Quantized(tuple(codes), jnp.stack(partials), output)


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
    before = [jnp.zeros_like(e), *partials[:-1]]
    return [region_average(form.target(e, b), n) for b, n in zip(before, scales, strict=True)]


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
    lead = codes[0].shape[:-2]
    total = jnp.zeros((*lead, size, size, codebook.shape[-1]), codebook.dtype)
    partials = []
    for t, code in enumerate(codes):
        total = form.add(total, code, codebook, phi, t)
        partials.append(total)
    return jnp.stack(partials)


def init_codebook(key: jax.Array, num_codes: int, channels: int) -> CodebookState:
    """Codes drawn from a unit normal, every one counted once.  The key is consumed."""
    codebook = jax.random.normal(key, (num_codes, channels))
    return CodebookState(codebook, jnp.ones(num_codes), codebook)


def code_statistics(x: jax.Array, codes: jax.Array, num_codes: int) -> tuple[jax.Array, jax.Array]:
    """How often each code was chosen, and by what: ``[V]`` and ``[V, C]``.

    Args:
      x: ``[M, C]`` vectors.
      codes: int ``[M]``, the code of each.
      num_codes: ``V``.
    """
    counts = jnp.zeros(num_codes, x.dtype).at[codes].add(1)
    sums = jnp.zeros((num_codes, x.shape[-1]), x.dtype).at[codes].add(x)
    return counts, sums


def update_codebook(
    state: CodebookState,
    counts: jax.Array,
    sums: jax.Array,
    candidates: jax.Array,
    *,
    decay: float = 0.99,
    dead_below: float = 0.03,
    revives: ArrayLike = True,
) -> CodebookState:
    """One moving-average step, with revival of dead codes.

    van den Oord et al., "Neural Discrete Representation Learning", 2017,
    appendix A.1; revival as in Dhariwal et al., "Jukebox", 2020.

    Args:
      state: the codebook before.
      counts: ``[V]`` of this step (over all devices).
      sums: ``[V, C]`` of this step (over all devices).
      candidates: ``[V, C]`` vectors of this step, the new places of codes
        that died.
      decay: of the moving averages.
      dead_below: a code whose moving count falls below this is revived.
      revives: whether any is, a scalar; where not, what is dead stays in its place.
    """
    new_counts = decay * state.counts + (1 - decay) * counts
    new_sums = decay * state.sums + (1 - decay) * sums
    dead = (new_counts < dead_below) & revives
    # A revived code counts as one full use and more, or it would die again at once.
    revived = max(1.0, 2 * dead_below)
    new_counts = jnp.where(dead, revived, new_counts)
    new_sums = jnp.where(dead[:, None], revived * candidates, new_sums)
    # What nothing chooses, and is not revived, comes to be 0 / 0.
    kept = (new_counts < _LEAST_COUNT)[:, None]
    places = new_sums / jnp.maximum(new_counts, _LEAST_COUNT)[:, None]
    return CodebookState(jnp.where(kept, state.codebook, places), new_counts, new_sums)


def codebook_use(counts: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Share of codes chosen at least once, and perplexity: scalars.

    Args:
      counts: ``[V]``, how often each code was chosen.

    >>> use, perplexity = codebook_use(jnp.array([5.0, 5.0, 0.0, 0.0]))
    >>> float(use), round(float(perplexity), 4)
    (0.5, 2.0)
    """
    p = counts / jnp.maximum(counts.sum(), 1)
    entropy = -jnp.sum(jnp.where(p > 0, p * jnp.log(jnp.where(p > 0, p, 1)), 0))
    return (counts > 0).mean(), jnp.exp(entropy)
