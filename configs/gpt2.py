"""LiteTransformerSearch: decoder language models of 2 to 16 layers, 10^22 of them.

    python -m experiments.gpt2 --workdir=runs/gpt2
    python -m experiments.gpt2 --workdir=runs/gpt2_tiny --config=configs/gpt2.py:tiny

Expected on 2 CPU cores: 6 minutes of training, 3 of counting and polishing; 99.4 % of the
held-out architectures come back exactly, 99.8 % of what is drawn is valid as it comes.

There is no package with its tables: without ``--benchmark_dir=DIR``, a folder that
has ``gpt2_wt103.npz`` or ``gpt2_lm1b.npz``, it trains and generates, and has nothing to
search.  With them it searches perplexity: ``--config.search.task=lm1b@valid``.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import common


def get_config(variant: str = "") -> ConfigDict:
    """The config, or its ``tiny`` variant; ``ValueError`` for another."""
    common.check_variant(variant)
    config = common.for_layers(common.default("gpt2"))
    config.train.epochs = 2
    config.train.learning_rate = 5e-3
    # Coarse codes contradict each other about the depth.
    config.counts.fine_first = True
    if variant == "tiny":
        config = common.make_tiny(config)
        config.data.count = 16_384
        config.train.epochs = 3
        # Codes that tell less contradict each other less.
        config.counts.polish_steps = 0
        return config
    # The vectors of all pairs of 20 nodes pass through one layer.
    config.model.hidden = 512
    config.data.count = 200_000
    config.counts.polish_steps = 3000
    return config
