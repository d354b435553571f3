"""Once-for-All: MobileNetV3 subnets of 10 to 20 blocks and a resolution, 10^20 of them.

    python -m experiments.mobilenetv3 --workdir=runs/mobilenetv3
    python -m experiments.mobilenetv3 --workdir=runs/mobilenetv3_tiny \\
      --config=configs/mobilenetv3.py:tiny

The latencies of other subnets are a table of their own:

    python -m experiments.compare --benchmark=mobilenetv3_latency \\
      --tasks=latency_ms@v100_64 --methods=local_search,random --workdir=runs/latency

Expected on 2 CPU cores: eight minutes of training, three of counting and polishing; 99.5 % of
the held-out subnets come back exactly, and what is drawn is valid as it comes.

There is no package with its tables: without ``--benchmark_dir=DIR``, a folder that
has ``mobilenetv3.npz``, it trains and generates, and has nothing to search.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import common


def get_config(variant: str = "") -> ConfigDict:
    """The config, or its ``tiny`` variant; ``ValueError`` for another."""
    common.check_variant(variant)
    config = common.for_layers(common.default("mobilenetv3"))
    # 21 nodes of eight channels each want a wide decoder to pass through.
    config.model.hidden = 512
    config.data.count = 150_000
    config.train.epochs = 2
    config.train.learning_rate = 5e-3
    if variant == "tiny":
        config = common.make_tiny(config)
        config.data.count = 16_384
        config.train.epochs = 3
    config = common.tell_nodes_once(config)
    if variant != "tiny":
        # Not for validity: the polished decoder also makes fewer mistakes of its own.
        config.counts.polish_steps = 3000
    return config
