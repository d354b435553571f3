"""Generates and searches pairs of cells of the DARTS space.

    python -m experiments.darts --workdir=runs/darts
    python -m experiments.darts --workdir=runs/darts_tiny --config=configs/darts.py:tiny
    python -m experiments.darts --workdir=runs/darts_long --config.train.epochs=300

What a run does and leaves, its flags and its exit status: ``--help``.
"""

from experiments import pipeline

if __name__ == "__main__":
    pipeline.main("darts")
