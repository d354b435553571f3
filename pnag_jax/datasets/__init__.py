"""Labelled images to train architectures on, from packages and from files."""

from __future__ import annotations

import os
import pathlib

from pnag_jax.datasets import arrays, digits, folders
from pnag_jax.datasets.base import Dataset, Part, split
from pnag_jax.errors import UsageError


def load(name: str, *, seed: int = 0) -> Dataset:
    """The data set of that name.

    Args:
      name: ``digits``, a folder of class folders, or an ``.npz`` file of
        ``images`` and ``labels``.
      seed: decides which images are trained on, validated and tested with.

    Raises:
      UsageError: no such data set.
      DataError: it is damaged or cannot be trained on; the message names the
        file and what is wrong.

    >>> data = load("digits")
    >>> len(data.train.labels), len(data.valid.labels), len(data.test.labels)
    (1079, 359, 359)
    """
    if name == "digits":
        images, labels = digits.read()
        return split(name, images, labels, tuple(map(str, range(10))), seed)
    path = pathlib.Path(name)
    try:
        if path.is_dir():
            return split(name, *folders.read(path), seed)
        if path.suffix == ".npz":
            return split(name, *arrays.read(path), seed)
    except OSError as error:
        raise UsageError(f"{error.filename}: cannot read: {error.strerror}") from error
    raise UsageError(
        f"dataset {name!r}: no such {'folder' if os.sep in name else 'data set'}; accepted are"
        " digits, a folder with a folder of images a class, or an .npz file"
    )


__all__ = ["Dataset", "Part", "load", "split"]
