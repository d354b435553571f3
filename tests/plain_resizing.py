"""Pooling and expansion of one map as plain loops: what the matrices must equal."""

from __future__ import annotations

import numpy as np


def pooled_by_loop(x: np.ndarray, n: int) -> np.ndarray:
    """Adaptive average pooling of ``[N, N, C]``, cell by cell."""
    size = x.shape[0]
    out = np.zeros((n, n, x.shape[-1]))
    for i in range(n):
        for j in range(n):
            rows = slice(int(np.floor(i * size / n)), int(np.ceil((i + 1) * size / n)))
            columns = slice(int(np.floor(j * size / n)), int(np.ceil((j + 1) * size / n)))
            out[i, j] = x[rows, columns].mean((0, 1))
    return out


def expanded_by_loop(x: np.ndarray, size: int) -> np.ndarray:
    """Bilinear interpolation of ``[n, n, C]``, pixel by pixel."""
    n = x.shape[0]
    out = np.zeros((size, size, x.shape[-1]))
    for i in range(size):
        for j in range(size):
            y, z = (min(max((k + 0.5) * n / size - 0.5, 0), n - 1) for k in (i, j))
            top, left = int(y), int(z)
            bottom, right = min(top + 1, n - 1), min(left + 1, n - 1)
            dy, dz = y - top, z - left
            out[i, j] = ((1 - dy) * ((1 - dz) * x[top, left] + dz * x[top, right])) + dy * (
                (1 - dz) * x[bottom, left] + dz * x[bottom, right]
            )
    return out
