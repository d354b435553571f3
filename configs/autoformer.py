"""AutoFormer: vision transformers of 12 to 16 layers in three sizes, 10^15 of them.

    python -m experiments.autoformer --workdir=runs/autoformer
    python -m experiments.autoformer --workdir=runs/autoformer_tiny \\
      --config=configs/autoformer.py:tiny

Expected on 2 CPU cores: 4 minutes; 99.9 % of the held-out architectures come back exactly.

There is no package with its table: without ``--benchmark_dir=DIR``, a folder that
has ``autoformer.npz``, it trains and generates, and has nothing to search.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import common


def get_config(variant: str = "") -> ConfigDict:
    """The config, or its ``tiny`` variant; ``ValueError`` for another."""
    common.check_variant(variant)
    config = common.for_layers(common.default("autoformer"))
    config.train.epochs = 2
    config.train.learning_rate = 5e-3
    if variant == "tiny":
        config = common.make_tiny(config)
        config.data.count = 16_384
        config.train.epochs = 3
    return common.tell_nodes_once(config)
