"""NAS-Bench-201: cells of 6 operations, all 15,284 valid ones.

    python -m experiments.nb201 --workdir=runs/nb201
    python -m experiments.nb201 --workdir=runs/nb201_tiny --config=configs/nb201.py:tiny

Expected on 2 CPU cores: 3 minutes; every held-out cell comes back exactly.
The ``tiny`` variant takes one minute.

PNAG trains for 300 epochs at a rate of 1e-4; a higher rate needs far fewer.  Its
own schedule is ``--config.train.epochs=300 --config.train.learning_rate=1e-4``.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import common


def get_config(variant: str = "") -> ConfigDict:
    """The config, or its ``tiny`` variant; ``ValueError`` for another."""
    common.check_variant(variant)
    config = common.default("nb201")
    return common.make_tiny(config) if variant == "tiny" else config
