"""Once-for-All: MobileNetV3 subnets of 10 to 20 blocks and a resolution, 10^20 of them.

    python -m experiments.mobilenetv3 --workdir=runs/mobilenetv3
    python -m experiments.mobilenetv3 --workdir=runs/mobilenetv3_tiny \\
      --config=configs/mobilenetv3.py:tiny

There is no package with its tables: without ``--benchmark_dir=DIR``, a folder that
has ``mobilenetv3.npz``, it trains and generates, and has nothing to search.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import common


def get_config(variant: str = "") -> ConfigDict:
    """The config, or its ``tiny`` variant; ``ValueError`` for another."""
    common.check_variant(variant)
    config = common.default("mobilenetv3")
    # 23 nodes: the linear schedule would have five times as many codes.
    config.model.schedule = "geometric"
    # Blocks are independent of one another: coarse maps say little of the whole, and
    # the penalty on all scales evens out what tells architectures apart.
    config.model.constrained = 1
    config.model.num_codes = 128
    config.model.hidden = 256
    # New architectures do more for the decoder than the same ones again.
    config.data.count = 100_000
    config.train.epochs = 2
    return common.make_tiny(config) if variant == "tiny" else config
