"""DARTS: a normal and a reduction cell of four nodes each, 10^18 pairs of them.

    python -m experiments.darts --workdir=runs/darts
    python -m experiments.darts --workdir=runs/darts_tiny --config=configs/darts.py:tiny

There is no table of measurements: it trains and generates, and has nothing to search.

Expected on 2 CPU cores: 6 minutes of training, 3 of counting; 99.7 % of the held-out
architectures come back exactly, and what is drawn is valid as it comes.  The ``tiny``
variant takes 3 minutes beside other work.

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
    config.model.constrained = 1
    if variant == "tiny":
        config.model.num_codes = 128
        config.model.hidden = 256
        config.counts.max_parents = 2
        config.counts.min_gain = 0.02
        config = common.make_tiny(config)
        config.data.count = 16_384
        # Of what follows, finding a code for every kind of node takes too many steps.
        return config
    config = common.tell_nodes_once(config)
    config.model.num_codes = 256
    config.model.hidden = 512
    config.data.count = 120_000
    config.train.epochs = 3
    config.train.batch_size = 64
    config.train.learning_rate = 5e-3
    # A rare kind of node is chosen less often than what counts as dead here: revived to
    # the end, its code would be taken from it again and again.
    config.train.revive_share = 0.6
    # As many links as a node may have, so that two of them are known to be enough.
    config.counts.max_parents = 5
    return config
