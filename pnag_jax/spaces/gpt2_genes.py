"""What the genes of ``gpt2`` stand for, and how its tables write them.

A table has one column a gene but for inner widths: those are one column each
and three genes, steps of 256 and two digits of 16.
"""

from __future__ import annotations

import numpy as np

from pnag_jax.spaces.base import SpaceError
from pnag_jax.spaces.gpt2_costs import DIVISORS, EMBEDDINGS, LAYERS, WIDTHS

MAX_LAYERS = LAYERS[-1]
MIN_LAYERS = LAYERS[0]
# Zero says that there is no such layer.
HEADS = (0, 2, 4, 8)
STEP = 256
DIGIT = 16
INNER = (0, *range(512, 2049, STEP))

VALUES = (
    LAYERS,
    WIDTHS,
    EMBEDDINGS,
    DIVISORS,
    *(HEADS,) * MAX_LAYERS,
    *(INNER,) * MAX_LAYERS,
    *(tuple(range(DIGIT)),) * (2 * MAX_LAYERS),
)
# Genes that no layer has.
ENDS = ("n_layer", "d_model", "d_embed", "div_val")
COLUMNS = (
    *ENDS,
    *(f"n_head{i}" for i in range(MAX_LAYERS)),
    *(f"d_inner{i}" for i in range(MAX_LAYERS)),
)
FIELDS = (
    *COLUMNS,
    *(f"d_inner_sixteens{i}" for i in range(MAX_LAYERS)),
    *(f"d_inner_ones{i}" for i in range(MAX_LAYERS)),
)
# An embedding of -1 is as wide as the model.
COLUMN_VALUES = (
    *(LAYERS, WIDTHS, (-1, *EMBEDDINGS), DIVISORS),
    *(HEADS,) * MAX_LAYERS,
    *((0, *range(INNER[1], INNER[-1] + 1)),) * MAX_LAYERS,
)


def apart(rows: np.ndarray) -> np.ndarray:
    """Numbers of columns to numbers of genes: int ``[M, 36] -> [M, 68]``.

    Raises:
      SpaceError: an embedding as wide as a model that is too narrow for it.
    """
    rows = np.array(rows)
    rows[:, 2] = np.where(rows[:, 2] == -1, rows[:, 1], rows[:, 2])
    wide = np.isin(rows[:, 2], EMBEDDINGS)
    if not wide.all():
        row = int(np.flatnonzero(~wide)[0])
        raise SpaceError(
            f"row {row}, d_embed = -1 with d_model = {rows[row, 1]}; accepted are widths of "
            + ", ".join(map(str, EMBEDDINGS))
        )
    inner = rows[:, -MAX_LAYERS:]
    rest = np.where(inner > 0, (inner - INNER[1]) % STEP, 0)
    parts = [rows[:, :-MAX_LAYERS], inner - rest, rest // DIGIT, rest % DIGIT]
    return np.concatenate(parts, axis=1)


def together(numbers: np.ndarray) -> np.ndarray:
    """Inverse of ``apart``: int ``[M, 68] -> [M, 36]``."""
    steps, sixteens, ones = np.split(numbers[:, -3 * MAX_LAYERS :], 3, axis=1)
    inner = steps + DIGIT * sixteens + ones
    return np.concatenate([numbers[:, : -3 * MAX_LAYERS], inner], axis=1)
