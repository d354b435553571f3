"""Images with labels, split into three parts that are kept apart.

Letters of shapes: ``M`` images, ``H`` and ``W`` their sides, ``C`` channels.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from pnag_jax.errors import DataError

# Shares of a class that validation and test take.
VALID_SHARE = TEST_SHARE = 0.2
# Least images of a class: one of each part.
MIN_OF_CLASS = 3
MAX_PIXELS = 2**28


class Part(NamedTuple):
    """Images for one purpose.

    Attributes:
      images: float32 ``[M, H, W, C]``, of mean 0 and deviation 1 in training.
      labels: int32 ``[M]``, ``0 .. num_classes - 1``.
    """

    images: np.ndarray
    labels: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset:
    """A classification task.

    Attributes:
      name: the word or the path that it was asked for by.
      classes: names of the labels.
      train: what weights learn from.
      valid: what decisions are made on.
      test: what is reported, and decides nothing.
    """

    name: str
    classes: tuple[str, ...]
    train: Part
    valid: Part
    test: Part

    @property
    def num_classes(self) -> int:
        """Number of labels."""
        return len(self.classes)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """``(H, W, C)``."""
        height, width, channels = self.train.images.shape[1:]
        return height, width, channels


def split(
    name: str, images: np.ndarray, labels: np.ndarray, classes: tuple[str, ...], seed: int
) -> Dataset:
    """Splits each class by the same shares, in an order that the seed decides.

    Pixels are centred and scaled by each channel's mean and deviation over the
    part that is trained on.

    Args:
      name: for messages.
      images: any real numbers ``[M, H, W, C]``.
      labels: int ``[M]``, ``0 .. len(classes) - 1``.
      classes: names of the labels.
      seed: of the split.

    Raises:
      DataError: fewer than two classes, a class of fewer than three images,
        images without any variation.
    """
    counts = np.bincount(labels, minlength=len(classes))
    if np.count_nonzero(counts) < 2:
        raise DataError(f"{name}: holds one class only; at least two are needed")
    if counts.min() < MIN_OF_CLASS:
        least = int(counts.argmin())
        raise DataError(
            f"{name}: class {classes[least]!r} has {counts[least]} images; at least"
            f" {MIN_OF_CLASS} are needed, one each to train, validate and test"
        )
    order = np.random.default_rng(seed).permutation(len(labels))
    parts: dict[str, list[np.ndarray]] = {"train": [], "valid": [], "test": []}
    for label, count in enumerate(counts):
        rows = order[labels[order] == label]
        valid = max(1, round(VALID_SHARE * count))
        test = max(1, round(TEST_SHARE * count))
        for part, some in zip(
            parts, np.split(rows, [count - valid - test, count - test]), strict=True
        ):
            parts[part].append(some)
    # Mixed again: a part read in order must not be read class by class.
    rows_of = {
        part: np.random.default_rng(seed + 1).permutation(np.concatenate(some))
        for part, some in parts.items()
    }
    images = images.astype(np.float32)
    trained_on = images[rows_of["train"]]
    mean, deviation = trained_on.mean(axis=(0, 1, 2)), trained_on.std(axis=(0, 1, 2))
    if not (deviation > 0).any():
        raise DataError(f"{name}: every pixel of every image is the same")
    images = (images - mean) / np.where(deviation > 0, deviation, 1)
    return Dataset(
        name,
        classes,
        **{part: Part(images[rows], labels[rows]) for part, rows in rows_of.items()},
    )
