"""Generates and searches cells of NAS-Bench-101.

    python -m experiments.nb101 --workdir=runs/nb101
    python -m experiments.nb101 --workdir=runs/nb101_tiny --config=configs/nb101.py:tiny
    python -m experiments.nb101 --workdir=runs/nb101_long --config.train.epochs=300

What a run does and leaves, its flags and its exit status: ``--help``.
"""

from experiments import pipeline

if __name__ == "__main__":
    pipeline.main("nb101")
