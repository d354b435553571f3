"""A folder with one folder of images a class."""

from __future__ import annotations

import pathlib
import warnings

import numpy as np
from PIL import Image

from pnag_jax.datasets.base import MAX_PIXELS
from pnag_jax.errors import DataError

# The formats that Pillow may take a file for, and their endings.
FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".bmp": "BMP", ".gif": "GIF"}


def read(folder: pathlib.Path) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Reads every image; grey ones stay grey where all are.

    Args:
      folder: of class folders, which become labels in the order of their names.
        Hidden files and folders do not count.

    Returns:
      uint8 ``[M, H, W, 1 or 3]``, labels int32 ``[M]``, names of the classes.

    Raises:
      DataError: no class folder, one without images, a file that is no image or
        is damaged, images of different sizes or too many pixels.
    """
    classes = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    if len(classes) < 2:
        raise DataError(
            f"{folder}: has {len(classes)} class folders; at least two are needed, each with the"
            " images of one class"
        )
    images: list[np.ndarray] = []
    labels: list[int] = []
    pixels = 0
    for label, place in enumerate(classes):
        paths = sorted(p for p in place.iterdir() if p.suffix.lower() in FORMATS)
        if not paths:
            raise DataError(
                f"{place}: no images; accepted are files ending in {', '.join(FORMATS)}"
            )
        for path in paths:
            image = _read(path)
            if images and image.shape[:2] != images[0].shape[:2]:
                raise DataError(
                    f"{path}: is {_size(image)} pixels and the first image {_size(images[0])};"
                    " all must have one size"
                )
            pixels += image.size
            if pixels > MAX_PIXELS:
                raise DataError(f"{folder}: holds more than {MAX_PIXELS:,} values of pixels")
            images.append(image)
            labels.append(label)
    channels = max(image.shape[2] for image in images)
    alike = [np.repeat(x, channels // x.shape[2], axis=2) for x in images]
    return np.stack(alike), np.array(labels, np.int32), tuple(p.name for p in classes)


def _read(path: pathlib.Path) -> np.ndarray:
    """One image as uint8 ``[H, W, 1 or 3]``."""
    try:
        with warnings.catch_warnings():
            # A small file that unpacks to a huge image is a warning only.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=sorted(set(FORMATS.values()))) as image:
                grey = image.mode in ("1", "L")
                array = np.asarray(image.convert("L" if grey else "RGB"))
    # What a damaged file raises depends on its format.
    except Exception as error:
        raise DataError(f"{path}: is no image or damaged: {error}") from error
    return array.reshape(*array.shape[:2], -1)


def _size(image: np.ndarray) -> str:
    return f"{image.shape[1]} x {image.shape[0]}"
