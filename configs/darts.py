"""DARTS: a normal and a reduction cell of four nodes each, 10^18 pairs of them.

    python -m experiments.darts --workdir=runs/darts
    python -m experiments.darts --workdir=runs/darts_tiny --config=configs/darts.py:tiny

There is no table of measurements: it trains and generates, and has nothing to search.

Expected beside other work: 4 minutes of training, about 2 of counting and polishing;
97.8 % of the held-out architectures come back exactly from the quantizer alone, 99.9 %
when decoded to valid ones.  The ``tiny`` variant takes 3 minutes beside other work.

PNAG trains for 300 epochs at a rate of 1e-4; a higher rate needs far fewer.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import common


def get_config(variant: str = "") -> ConfigDict:
    """The config, or its ``tiny`` variant; ``ValueError`` for another."""
    common.check_variant(variant)
    config = common.default("darts")
    config.model.schedule = "geometric"
    # Nodes are nearly independent of one another: coarse maps say little of the whole,
    # and the penalty on all scales evens out what tells architectures apart.
    config.model.constrained = 1
    # 49 kinds of nodes ask for more than a few operations do.
    config.model.num_codes = 128
    config.model.hidden = 256
    # New architectures do more for the decoder than the same ones again.
    config.data.count = 120_000
    config.train.epochs = 3
    # More contexts gain little and take long to choose among 234 codes.
    config.counts.max_parents = 2
    config.counts.min_gain = 0.02
    # Drawn code by code, few strings give every node just two sources.
    config.counts.polish_steps = 3000
    if variant == "tiny":
        config = common.make_tiny(config)
        config.data.count = 16_384
    return config
