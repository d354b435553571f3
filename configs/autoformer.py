"""AutoFormer: vision transformers of 12 to 16 layers in three sizes, 10^15 of them.

    python -m experiments.autoformer --workdir=runs/autoformer
    python -m experiments.autoformer --workdir=runs/autoformer_tiny \\
      --config=configs/autoformer.py:tiny

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
    # A layer is told by one code alone: told by many, which are drawn one by one, the
    # depth was contradicted by every second string.
    config.model.pair_nodes = False
    # Then each kind of layer needs a code of its own; coarse maps would take them all.
    config.model.num_codes = 128
    config.model.dead_below = 10.0
    config.model.revival = 16
    config.counts.fine_first = True
    if variant == "tiny":
        config = common.make_tiny(config)
        config.data.count = 16_384
        config.train.epochs = 3
    # Nearly all strings are valid as they come.
    config.counts.polish_steps = 0
    config.counts.max_parents = 3
    return config
