"""Accel-NASBench: mobile networks of 7 blocks, 10^11 of them, some 5,000 measured.

    python -m experiments.mnasnet --workdir=runs/mnasnet
    python -m experiments.mnasnet --workdir=runs/mnasnet_tiny --config=configs/mnasnet.py:tiny

Expected on 2 CPU cores: 9 minutes beside other work; 99.6 % of the held-out
architectures come back exactly.  The ``tiny`` variant takes 4 minutes beside other
work without a search; 97 % come back.

There is no package with its table: without ``--benchmark_dir=DIR``, a folder that
has ``mnasnet.npz``, it trains and generates, and has nothing to search.

PNAG constrains all scales (``--config.model.constrained=7``) and trains for 300 epochs
at a rate of 1e-4; a higher rate needs far fewer.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import common


def get_config(variant: str = "") -> ConfigDict:
    """The config, or its ``tiny`` variant; ``ValueError`` for another."""
    common.check_variant(variant)
    config = common.default("mnasnet")
    # Blocks are independent of one another: coarse maps say little of the whole, and
    # the penalty on all scales evens out what tells architectures apart.
    config.model.constrained = 1
    # 48 kinds of block ask for more than a few operations do.
    config.model.num_codes = 128
    config.model.hidden = 256
    # New architectures do more for the decoder than the same ones again.
    config.data.count = 100_000
    config.train.epochs = 3
    if variant == "tiny":
        config = common.make_tiny(config)
        config.data.count = 16_384
    # The decode of any string is valid: there is nothing to polish.
    config.counts.polish_steps = 0
    return config
