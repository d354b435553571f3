"""AutoFormer: vision transformers of 12 to 16 layers in three sizes, 10^15 of them.

    python -m experiments.autoformer --workdir=runs/autoformer
    python -m experiments.autoformer --workdir=runs/autoformer_tiny \\
      --config=configs/autoformer.py:tiny

Expected on 2 CPU cores: TODO
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import common


def get_config(variant: str = "") -> ConfigDict:
    """The config, or its ``tiny`` variant; ``ValueError`` for another."""
    common.check_variant(variant)
    config = common.default("autoformer")
    config.model.schedule = "geometric"
    config.model.constrained = 1
    config.model.hidden = 256
    config.data.count = 100_000
    config.train.epochs = 2
    return common.make_tiny(config) if variant == "tiny" else config
