"""A table of seven cells whose numbers fit on a page."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pnag_jax.benchmarks import Table

# Edges 0->1, 0->2, 1->2, 0->3, 1->3, 2->3; operations none 0, skip 1, conv1x1 2,
# conv3x3 3, avg_pool 4.
CELLS = np.array(
    [
        [0, 0, 0, 3, 0, 0],  # one 3x3 convolution
        [3, 0, 0, 3, 0, 0],  # the same: tensor 1 is a dead end
        [0, 0, 0, 2, 0, 0],  # one 1x1 convolution
        [0, 0, 0, 4, 0, 0],  # one pooling
        [0, 0, 0, 1, 0, 0],  # one skip
        [3, 0, 0, 0, 0, 0],  # not functional: no path to the output
        [3, 0, 0, 0, 3, 0],  # two 3x3 convolutions in a row; not measured
    ],
    np.int16,
)
COLUMNS = {
    "toy/valid_accuracy": np.array([5, 9, 7, 7, 1, 99, np.nan], np.float32),
    "toy/test_accuracy": np.array([50, 90, 70, 60, 10, 99, 95], np.float32),
    "toy/params": np.array([30, 40, 20, 10, 5, 1, 60], np.float32),
}


@pytest.fixture
def toy() -> Table:
    """The cells as a table in memory."""
    return Table(
        name="toy",
        space_name="nb201",
        genotypes=CELLS.copy(),
        metrics=tuple(COLUMNS),
        meta={},
        source="worked out by hand",
        read_column=lambda metric: COLUMNS[metric].copy(),
    )


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    """The cells as the arrays of a file, to be damaged and saved with ``np.savez``."""
    return {
        "space": np.array("nb201"),
        "arch": CELLS,
        "arch_fields": np.array(["0->1", "0->2", "1->2", "0->3", "1->3", "2->3"]),
        **COLUMNS,
        "meta": np.array(json.dumps({"units": "percent"})),
    }
