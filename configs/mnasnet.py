"""Accel-NASBench: mobile networks of 7 blocks, 10^11 of them, some 5,000 measured.

    python -m experiments.mnasnet --workdir=runs/mnasnet
    python -m experiments.mnasnet --workdir=runs/mnasnet_tiny --config=configs/mnasnet.py:tiny

There is no package with its table: without ``--benchmark_dir=DIR``, a folder that
has ``mnasnet.npz``, it trains and generates, and has nothing to search.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import common


def get_config(variant: str = "") -> ConfigDict:
    """The config, or its ``tiny`` variant; ``ValueError`` for another."""
    common.check_variant(variant)
    config = common.default("mnasnet")
    return common.make_tiny(config) if variant == "tiny" else config
