"""NAS-Bench-Macro: networks of 8 blocks, all 6,561 of them.

    python -m experiments.macro --workdir=runs/macro
    python -m experiments.macro --workdir=runs/macro_tiny --config=configs/macro.py:tiny

Expected on 2 CPU cores: 4 minutes; every held-out architecture comes back exactly.
The ``tiny`` variant takes one minute.

There is no package with its table: without ``--benchmark_dir=DIR``, a folder that
has ``macro.npz``, it trains and generates, and has nothing to search.

PNAG trains for 300 epochs at a rate of 1e-4; a higher rate needs far fewer.  Its
own schedule is ``--config.train.epochs=300 --config.train.learning_rate=1e-4``.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import common


def get_config(variant: str = "") -> ConfigDict:
    """The config, or its ``tiny`` variant; ``ValueError`` for another."""
    common.check_variant(variant)
    config = common.default("macro")
    # Few architectures make few steps an epoch.
    config.train.epochs = 48
    return common.make_tiny(config) if variant == "tiny" else config
