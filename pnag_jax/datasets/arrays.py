"""An ``.npz`` file with the arrays ``images`` and ``labels``."""

from __future__ import annotations

import pathlib

import numpy as np

from pnag_jax import archives
from pnag_jax.datasets.base import MAX_PIXELS
from pnag_jax.errors import DataError


def read(path: pathlib.Path) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Reads both arrays, and ``classes`` (the labels' names) where there is one.

    Returns:
      Images ``[M, H, W, C]`` of finite real numbers, labels int32 ``[M]``,
      names of the classes, the numbers up to the greatest label without such.

    Raises:
      UsageError: no such file.
      DataError: damaged, an array is missing or of another shape or type, a
        label is out of range, a pixel is not finite.
    """
    with archives.opened(path) as archive:
        if missing := [key for key in ("images", "labels") if key not in archive.files]:
            raise DataError(f"{path}: {', '.join(missing)} missing; not a file of images")
        images = archives.array(archive, path, "images")
        labels = archives.array(archive, path, "labels")
        named = archives.array(archive, path, "classes") if "classes" in archive.files else None
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or not images.size or images.dtype.kind not in "uif":
        raise DataError(
            f"{path}: images: shape {images.shape} of {images.dtype}; expected numbers [M, H, W, C]"
        )
    if images.size > MAX_PIXELS:
        raise DataError(f"{path}: images: {images.size:,} values; accepted are {MAX_PIXELS:,}")
    if labels.shape != (len(images),) or labels.dtype.kind not in "ui":
        raise DataError(
            f"{path}: labels: shape {labels.shape} of {labels.dtype}; expected"
            f" ({len(images)},) integers"
        )
    if images.dtype.kind == "f" and not np.isfinite(images).all():
        row = int(np.argwhere(~np.isfinite(images).all(axis=(1, 2, 3)))[0, 0])
        raise DataError(f"{path}: images: image {row} has values that are not finite")
    if named is not None and (named.ndim != 1 or named.dtype.kind != "U"):
        raise DataError(
            f"{path}: classes: shape {named.shape} of {named.dtype}; expected strings, one a class"
        )
    # As many classes as images would already be one image each.
    count = len(images) if named is None else len(named)
    bad = np.flatnonzero((labels < 0) | (labels >= count))
    if len(bad):
        raise DataError(
            f"{path}: labels: row {bad[0]} is {labels[bad[0]]}; accepted are 0 .. {count - 1}"
        )
    names = range(int(labels.max()) + 1) if named is None else named
    return images, labels.astype(np.int32), tuple(map(str, names))
