"""Once-for-All: MobileNetV3 subnets of 10 to 20 blocks and a resolution, 10^20 of them.

    python -m experiments.mobilenetv3 --workdir=runs/mobilenetv3
    python -m experiments.mobilenetv3 --workdir=runs/mobilenetv3_tiny \\
      --config=configs/mobilenetv3.py:tiny

The latencies of other subnets are a table of their own:

    python -m experiments.compare --benchmark=mobilenetv3_latency \\
      --tasks=latency_ms@v100_64 --methods=local_search,random --workdir=runs/latency

Beside much other work: some ten minutes of CPU time; not measured on an idle machine.

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
    # Ten kinds of block and 25 sides: 21 nodes of eight channels each want a wide
    # decoder to pass through.
    config.model.num_codes = 128
    config.model.hidden = 512
    config.train.epochs = 1
    # A code says two nodes, which two earlier ones say as well.
    config.counts.max_parents = 2
    if variant == "tiny":
        config = common.make_tiny(config)
        config.data.count = 16_384
        config.train.epochs = 1
    # Nearly all strings are valid as they come.
    config.counts.polish_steps = 0
    return config
