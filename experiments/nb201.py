"""Generates and searches architectures of NAS-Bench-201.

    python -m experiments.nb201 --workdir=runs/nb201
    python -m experiments.nb201 --workdir=runs/nb201_tiny --config=configs/nb201.py:tiny
    python -m experiments.nb201 --workdir=runs/nb201_long --config.train.epochs=300

What a run does and leaves, its flags and its exit status: ``--help``.
"""

from experiments import pipeline

if __name__ == "__main__":
    pipeline.main("nb201")
