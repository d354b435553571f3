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
    config = common.default("autoformer")
    # 19 nodes: the linear schedule would have more than twice as many codes.
    config.model.schedule = "geometric"
    # Layers are independent of one another: coarse maps say little of the whole, and
    # the penalty on all scales evens out what tells architectures apart.
    config.model.constrained = 1
    # Narrow vectors do where many nodes repeat what they say.
    config.model.channels = 8
    config.model.width = 32
    config.model.hidden = 256
    # New architectures do more for the decoder than the same ones again, and many
    # small steps more than few large ones.
    config.data.count = 100_000
    config.train.epochs = 2
    config.train.batch_size = 64
    config.train.learning_rate = 5e-3
    config.train.save_every_epochs = 1
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
