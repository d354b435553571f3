"""LiteTransformerSearch: decoder language models of 2 to 16 layers, 10^31 of them.

    python -m experiments.gpt2 --workdir=runs/gpt2
    python -m experiments.gpt2 --workdir=runs/gpt2_tiny --config=configs/gpt2.py:tiny

Expected on 2 CPU cores: TODO
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import common


def get_config(variant: str = "") -> ConfigDict:
    """The config, or its ``tiny`` variant; ``ValueError`` for another."""
    common.check_variant(variant)
    config = common.default("gpt2")
    # Layers are independent of one another, as the blocks of mnasnet.
    config.model.constrained = 1
    # Twenty nodes: as many codes as pairs of nodes a scale.
    config.model.schedule = "geometric"
    config.model.num_codes = 128
    config.model.hidden = 512
    config.data.count = 100_000
    config.train.epochs = 3
    if variant == "tiny":
        config = common.make_tiny(config)
        config.data.count = 16_384
    return config
