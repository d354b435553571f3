"""Generates and searches vision transformers of AutoFormer.

    python -m experiments.autoformer --workdir=runs/autoformer
    python -m experiments.autoformer --workdir=runs/autoformer_tiny \\
      --config=configs/autoformer.py:tiny
    python -m experiments.autoformer --workdir=runs/autoformer_long --config.train.epochs=300

What a run does and leaves, its flags and its exit status: ``--help``.
"""

from experiments import pipeline

if __name__ == "__main__":
    pipeline.main("autoformer")
