"""NAS-Bench-101: cells of up to 7 nodes and 9 edges, 423,624 of them.

    python -m experiments.nb101 --workdir=runs/nb101
    python -m experiments.nb101 --workdir=runs/nb101_tiny --config=configs/nb101.py:tiny

There is no package with its table: without one, it trains and generates, and has
nothing to search.

Expected beside other work: 2 minutes of training, 9 of counting and polishing; every
held-out cell comes back, and 99 % of what is drawn is valid as it comes.

PNAG trains for 300 epochs at a rate of 1e-4; a higher rate needs far fewer.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import common


def get_config(variant: str = "") -> ConfigDict:
    """The config, or its ``tiny`` variant; ``ValueError`` for another."""
    common.check_variant(variant)
    config = common.default("nb101")
    # Every pair of nodes says what it is and whether it is linked: that takes codes and
    # room in the decoder, and the penalty on all scales evens out what tells pairs apart.
    config.model.constrained = 1
    config.model.num_codes = 128
    config.data.count = 100_000
    config.train.epochs = 3
    if variant == "tiny":
        config.model.hidden = 256
        config = common.make_tiny(config)
        config.data.count = 16_384
        return config
    # A wide decoder can count the edges; what it learns that from are strings of too
    # many, which are few among those that are drawn.
    config.model.hidden = 1024
    config.counts.polish_pool = 8192
    config.counts.polish_steps = 4000
    config.counts.polish_rate = 1e-2
    return config
