"""Generates and searches decoder language models of LiteTransformerSearch.

    python -m experiments.gpt2 --workdir=runs/gpt2
    python -m experiments.gpt2 --workdir=runs/gpt2_tiny --config=configs/gpt2.py:tiny
    python -m experiments.gpt2 --workdir=runs/gpt2_long --config.train.epochs=300

What a run does and leaves, its flags and its exit status: ``--help``.
"""

from experiments import pipeline

if __name__ == "__main__":
    pipeline.main("gpt2")
