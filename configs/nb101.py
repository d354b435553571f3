"""NAS-Bench-101: cells of up to 7 nodes and 9 edges, 423,624 of them.

    python -m experiments.nb101 --workdir=runs/nb101
    python -m experiments.nb101 --workdir=runs/nb101_tiny --config=configs/nb101.py:tiny

There is no package with its table: without one, it trains and generates, and has
nothing to search.

PNAG trains for 300 epochs at a rate of 1e-4; a higher rate needs far fewer.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import common


def get_config(variant: str = "") -> ConfigDict:
    """The config, or its ``tiny`` variant; ``ValueError`` for another."""
    common.check_variant(variant)
    config = common.default("nb101")
    return common.make_tiny(config) if variant == "tiny" else config
