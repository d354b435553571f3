"""Square maps brought to other sizes: averaged over regions, interpolated between cells.

Both are linear and the same for every channel, hence matrices, which are known before
anything is compiled.  Channels last; ``N`` and ``n`` cells an axis, ``C`` channels.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np

# Rows and columns of the matrix unit of a TPU.
MATRIX_UNIT = 128


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


def _both_axes(x: jax.Array, matrix: np.ndarray) -> jax.Array:
    """Applies one matrix to both map axes of ``[..., N, N, C]``."""
    if matrix.shape[0] == matrix.shape[1]:
        return x  # as many cells as nodes: both directions are the identity
    if matrix.shape[1] ** 2 > MATRIX_UNIT:
        return _one_by_one(matrix, x)
    return jax.lax.platform_dependent(
        x,
        cpu=functools.partial(_one_by_one, matrix),
        default=functools.partial(_at_once, matrix),
    )


def _one_by_one(matrix: np.ndarray, x: jax.Array) -> jax.Array:
    m = jnp.asarray(matrix, wide(x.dtype))
    both = jnp.einsum("ia,jb,...abc->...ijc", m, m, x, precision=jax.lax.Precision.HIGHEST)
    return both.astype(x.dtype)


def _at_once(matrix: np.ndarray, x: jax.Array) -> jax.Array:
    """As one product over all cells, which fills a matrix unit where that over an axis cannot."""
    n, size = matrix.shape
    *lead, _, _, channels = x.shape
    cells = mix_cells(np.kron(matrix, matrix), x.reshape(*lead, size * size, channels))
    return cells.reshape(*lead, n, n, channels)


def mix_cells(matrix: np.ndarray, cells: jax.Array) -> jax.Array:
    """``[m, k], [..., k, C] -> [..., m, C]``: each new cell a weighted sum of the old ones."""
    m = jnp.asarray(matrix, wide(cells.dtype))
    mixed = jnp.einsum("mk,...kc->...mc", m, cells, precision=jax.lax.Precision.HIGHEST)
    return mixed.astype(cells.dtype)


def wide(dtype: jnp.dtype) -> jnp.dtype:
    """The dtype to compute in: at least float32, so that 16 bits round once."""
    return jnp.promote_types(dtype, jnp.float32)
