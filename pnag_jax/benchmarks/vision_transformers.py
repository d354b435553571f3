"""Vision transformers of AutoFormer's tiny variant, as Auto-Prox measured them.

Wei et al., "Auto-Prox: Training-Free Vision Transformer Architecture Search via
Automatic Proxy Discovery", AAAI 2024.

The file is an ``.npz`` archive without pickles, but not of the format of
``tables``: two samples of architectures, each a JSON config and some columns of
its own length.  The key of every array begins with the sample's name:

* ``<sample>_arch_json``: str ``[m]``, what ``spaces.get("autoformer")`` reads;
* ``<sample>_<data set>_<base|kd|super>_acc``: float32 ``[m]``, percent, trained
  without and with distillation, or with the weights of the supernet.

Both samples together are one table, the first above the second.
"""

from __future__ import annotations

import os
import pathlib

import numpy as np

from pnag_jax import archives, spaces
from pnag_jax.benchmarks import members
from pnag_jax.benchmarks.base import Table
from pnag_jax.errors import DataError, UserError

SPACE = "autoformer"
_SAMPLES = ("gt_autoformer", "gt_autoformer_2")
_ARCHITECTURES = "arch_json"
# Columns of a sample, and what they are called in the table.
_COLUMNS = {
    "imagenet_super_acc": "imagenet/supernet_accuracy",
    "c100_base_acc": "cifar100/base_accuracy",
    "c100_kd_acc": "cifar100/kd_accuracy",
    "flower_base_acc": "flowers/base_accuracy",
    "flower_kd_acc": "flowers/kd_accuracy",
    "chaoyang_base_acc": "chaoyang/base_accuracy",
    "chaoyang_kd_acc": "chaoyang/kd_accuracy",
}


def looks_like_samples(path: str | os.PathLike) -> bool:
    """Whether a file has the architectures of the samples; nothing else is checked."""
    try:
        with archives.opened(pathlib.Path(path)) as archive:
            return all(f"{sample}_{_ARCHITECTURES}" in archive.files for sample in _SAMPLES)
    except UserError:
        return False


def read(path: str | os.PathLike) -> Table:
    """Opens a file of samples and checks all of it.

    Raises:
      DataError: the file is damaged or of another space, a config is not one of
        the space; the message names file, field and row.
      UsageError: there is no such file.
    """
    path = pathlib.Path(path)
    with archives.opened(path) as archive:
        members.check_space(path, members.text(archive, path, "space"), SPACE)
        meta = members.parse_meta(path, members.text(archive, path, "meta"))
        genotypes = [_architectures(archive, path, sample) for sample in _SAMPLES]
        columns = {
            metric: np.concatenate(
                [
                    _column(archive, path, f"{sample}_{key}", len(rows))
                    for sample, rows in zip(_SAMPLES, genotypes, strict=True)
                ]
            )
            for key, metric in _COLUMNS.items()
        }
    rows = np.concatenate(genotypes)
    return Table(
        name=path.stem,
        space_name=SPACE,
        genotypes=rows.astype(np.int16),
        metrics=tuple(columns),
        meta=meta,
        source=f"{path} ({len(rows):,} rows)",
        read_column=lambda metric: columns[metric].copy(),
    )


def _architectures(archive: np.lib.npyio.NpzFile, path: pathlib.Path, sample: str) -> np.ndarray:
    key = f"{sample}_{_ARCHITECTURES}"
    texts = archives.array(archive, path, key)
    if texts.ndim != 1 or texts.dtype.kind != "U" or not len(texts):
        raise DataError(f"{path}: {key}: shape {texts.shape} of {texts.dtype}; expected strings")
    space, genotypes = spaces.get(SPACE), []
    for row, text in enumerate(texts.tolist()):
        try:
            genotypes.append(space.from_string(text))
        except spaces.SpaceError as error:
            raise DataError(f"{path}: {key}: row {row}: {error}") from error
    return np.stack(genotypes)


def _column(archive: np.lib.npyio.NpzFile, path: pathlib.Path, key: str, rows: int) -> np.ndarray:
    values = archives.array(archive, path, key)
    if values.shape != (rows,) or values.dtype != np.float32:
        raise DataError(
            f"{path}: {key}: shape {values.shape} of {values.dtype}; expected ({rows},) float32"
        )
    if np.isinf(values).any():
        row = int(np.flatnonzero(np.isinf(values))[0])
        raise DataError(f"{path}: {key}: row {row} is infinite; NaN marks a missing value")
    return values
