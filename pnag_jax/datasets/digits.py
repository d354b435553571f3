"""The handwritten digits that come with scikit-learn: 1,797 images of 8 x 8, ten classes.

Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine
Learning Repository, 1998 (its test set).  The file is read out of the installed
package; the package itself is not imported.
"""

from __future__ import annotations

import gzip
import importlib.metadata
import pathlib

import numpy as np

from pnag_jax.errors import DataError, UsageError

SIDE = 8
_FILE = "sklearn/datasets/data/digits.csv.gz"


def read() -> tuple[np.ndarray, np.ndarray]:
    """Images float32 ``[1797, 8, 8, 1]``, 0 to 16, and labels int32 ``[1797]``.

    Raises:
      UsageError: the package is not installed.
      DataError: its file is damaged.
    """
    try:
        distribution = importlib.metadata.distribution("scikit-learn")
    except importlib.metadata.PackageNotFoundError:
        raise UsageError(
            "dataset 'digits': the package scikit-learn is not installed; pip install scikit-learn"
        ) from None
    path = pathlib.Path(str(distribution.locate_file(_FILE)))
    try:
        with gzip.open(path, "rt") as file:
            rows = np.loadtxt(file, delimiter=",", dtype=np.float32, ndmin=2)
        labels = rows[:, -1].astype(np.int32)
        images = rows[:, :-1].reshape(-1, SIDE, SIDE, 1)
        if labels.min() < 0 or labels.max() > 9:
            raise ValueError("a label is not a digit")
    # Damaged bytes may fail anywhere: gzip, the numbers' form, their count.
    except Exception as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    return images, labels
